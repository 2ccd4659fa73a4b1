"""The two announcements of an ASGI server."""

import asyncio

from inferencecloud.lifespan import Lifespan


async def test_the_beginning_is_run_before_it_is_confirmed() -> None:
    told: list[object] = []
    heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    heard.put_nowait({"type": "lifespan.startup"})

    async def begin() -> None:
        told.append("begun")

    async def send(message: dict[str, object]) -> None:
        told.append(message["type"])

    serving = asyncio.create_task(Lifespan(begin)({}, heard.get, send))
    while len(told) < 2:
        await asyncio.sleep(0)
    assert told == ["begun", "lifespan.startup.complete"]
    assert not serving.done()

    heard.put_nowait({"type": "lifespan.shutdown"})
    await serving
    assert told[-1] == "lifespan.shutdown.complete"
