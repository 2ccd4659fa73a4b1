"""The ASGI entry: HTTP to Django, WebSockets to the consumers behind Origin check and session."""

import gc
import os

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inferencecloud.settings.dev")
django_application = get_asgi_application()

from apps.realtime import publish  # noqa: E402  (the consumers need the app registry)
from inferencecloud import routing  # noqa: E402
from inferencecloud.body_limit import BodyLimit  # noqa: E402
from inferencecloud.lifespan import Lifespan  # noqa: E402


async def begin() -> None:
    """Let worker threads publish into the loop that serves the sockets; spare it long pauses."""
    publish.use_this_loop()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no later collection need walk through it


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application, limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        "websocket": routing.websocket_application,
        "lifespan": Lifespan(begin),
    }
)
