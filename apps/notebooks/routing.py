"""WebSocket routes of notebooks."""

from django.urls import URLPattern

websocket_routes: list[URLPattern] = []
