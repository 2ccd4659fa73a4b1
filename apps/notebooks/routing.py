"""WebSocket routes of notebooks."""

from django.urls import URLPattern, path

from apps.notebooks.consumers import NotebookSocket

websocket_routes: list[URLPattern] = [
    path("ws/notebooks/<uuid:notebook>/", NotebookSocket.as_asgi(), name="notebook"),
]
