"""The ASGI entry: HTTP to Django, WebSockets to the consumers, both behind the session and Origin checks."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inferencecloud.settings.dev")
django_application = get_asgi_application()

from inferencecloud import routing  # noqa: E402  (the consumers need the app registry)

application = ProtocolTypeRouter(
    {"http": django_application, "websocket": routing.websocket_application}
)
