"""Every WebSocket route; tests/architecture holds a table of who may open which."""

from channels.routing import URLRouter

from apps.notebooks import routing as notebooks
from apps.realtime.sockets import authenticated

websocket_routes = [*notebooks.websocket_routes]
websocket_application = authenticated(URLRouter(websocket_routes))
