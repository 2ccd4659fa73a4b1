"""uvicorn on the main thread, ended by signals without leaving anything half done."""

import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

GRACE_S = 3  # for answers under way and open sockets, once the end was asked for
MESSAGE_LIMIT_BYTES = 8 * 1024 * 1024  # above the limit of one update, which is refused with words


class Server(uvicorn.Server):
    """uvicorn that says when it answers."""

    def __init__(self, config: uvicorn.Config, *, when_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_up = when_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        if not self.should_exit:
            self._when_up()


def end_quietly_on_signals() -> None:
    """Make Ctrl-C and SIGTERM end the process with status 0.

    uvicorn takes the signals over while it serves and raises them once more afterwards, when our own
    clean-up still has to run: a signal whose work is done must find a handler that lets it pass.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)


def let_signals_pass() -> None:
    """From now on the end is under way: another signal changes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _pass)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _pass(_number: int, _frame: FrameType | None) -> None:
    pass


def serve(application: str, listening: socket.socket, *, when_up: Callable[[], None]) -> bool:
    """Serve until a signal comes; say whether the start succeeded."""
    config = uvicorn.Config(
        application,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=30,
        ws="apps.realtime.protocol:SocketProtocol",
        ws_max_size=MESSAGE_LIMIT_BYTES,
        ws_per_message_deflate=False,  # keystrokes are shorter than what compressing them costs
    )
    server = Server(config, when_up=when_up)
    let_signals_pass()
    server.run(sockets=[listening])
    return server.started
