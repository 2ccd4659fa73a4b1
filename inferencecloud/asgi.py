"""The ASGI entry: HTTP to Django, WebSockets to the consumers behind Origin check and session."""

import gc
import os

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inferencecloud.settings.dev")
django_application = get_asgi_application()

from apps.core.metering import MeteredSockets  # noqa: E402  (the consumers need the app registry)
from apps.realtime import publish  # noqa: E402
from inferencecloud import routing  # noqa: E402
from inferencecloud.body_limit import BodyLimit  # noqa: E402
from inferencecloud.draining import say_before_the_end  # noqa: E402
from inferencecloud.lifespan import Lifespan  # noqa: E402


async def begin() -> None:
    """Get ready: worker threads publish into this loop, the end is announced, long pauses are spared."""
    publish.use_this_loop()
    say_before_the_end(settings.DRAIN_SECONDS)
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no later collection need walk through it


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application, limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        "websocket": MeteredSockets(routing.websocket_application),
        "lifespan": Lifespan(begin),
    }
)
