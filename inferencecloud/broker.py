"""Messages between processes by Redis, for Celery: a worker outlives the broker that it works for.

When Redis dies while a task is under way, kombu (5.7) gives the connection up and then wants to put the
task's message back through it. It looks for the address on what is gone, and this ends the worker, since
nobody expects an AttributeError there. Here it is what it is: a lost connection, after which the worker
connects anew. The message stays Redis's; the reconciler does not wait for it.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as ConnectionLost


class Channel(redis.Channel):
    """kombu's channel to Redis, which says so when its connection was given up."""

    def _connparams(self, *args: Any, **options: Any) -> dict[str, Any]:
        if self.connection.client is None:
            raise ConnectionLost("wanted to reach Redis, got a connection that was given up")
        parameters: dict[str, Any] = super()._connparams(*args, **options)  # type: ignore[no-untyped-call]
        return parameters


class Transport(redis.Transport):
    """kombu's transport over Redis, with channels that may lose it."""

    Channel = Channel
