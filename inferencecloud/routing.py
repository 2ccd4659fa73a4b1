"""Every WebSocket route. A route carries the name of its topic; the access matrix test lists them all."""

from channels.routing import URLRouter

from apps.notebooks import routing as notebooks
from apps.realtime.sockets import authenticated

websocket_routes = [*notebooks.websocket_routes]
websocket_application = authenticated(URLRouter(websocket_routes))
