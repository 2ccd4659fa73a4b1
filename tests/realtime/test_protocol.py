"""Frames that are encoded once arrive as those that the server encodes itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
import websockets

from apps.realtime.outbox import Outbox, Shared
from apps.realtime.protocol import EXTENSION, SocketProtocol

SIZES = [0, 1, 125, 126, 65_535, 65_536, 200_000]
seen: list[bool] = []


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Send a message of every size, by either road in turn."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    write = scope["extensions"].get(EXTENSION)
    seen.append(write is not None and write(Shared("direct").frame))
    box = Outbox(send, on_end=lambda: None, write=write)
    box.release()
    for size in SIZES:
        box.post_shared(Shared("x" * size))
        box.post_shared(Shared(b"y" * size))
        box.post(f"plain {size}")
    await receive()
    assert not write(Shared("too late").frame)


@pytest.fixture(params=[False, True], ids=["plain", "deflated"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    seen.clear()
    config = uvicorn.Config(
        application,
        port=0,
        ws=SocketProtocol,
        ws_per_message_deflate=request.param,
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def test_shared_frames_arrive_in_order_whatever_their_size(port: int) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{port}/") as socket:
        first = await socket.recv()
        if first == "direct":
            first = await socket.recv()
        received = [first] + [await socket.recv() for _ in range(3 * len(SIZES) - 1)]
    expected: list[bytes | str] = []
    for size in SIZES:
        expected += ["x" * size, b"y" * size, f"plain {size}"]
    assert received == expected


async def test_frames_are_written_at_once_only_where_they_need_no_compression(
    port: int, request: pytest.FixtureRequest
) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{port}/") as socket:
        await socket.recv()
    assert seen == ["plain" in request.node.name]
