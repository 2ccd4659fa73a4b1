"""Whatever is larger than anything we take ends at the door."""

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from inferencecloud.body_limit import BodyLimit

LIMIT = 10


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body; with nothing when the client went away, as Django does."""
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def asked(*chunks: bytes, announced: str | None = None) -> tuple[int, bytes]:
    headers = [(b"content-length", announced.encode())] if announced is not None else []
    limited = BodyLimit(echo, limit_bytes=LIMIT)
    client: Any = ApplicationCommunicator(limited, {"type": "http", "headers": headers})  # type: ignore[no-untyped-call]
    for at, chunk in enumerate(chunks):
        more = at < len(chunks) - 1
        await client.send_input({"type": "http.request", "body": chunk, "more_body": more})
    start = await client.receive_output()
    return start["status"], (await client.receive_output())["body"]


async def test_a_body_within_the_limit_passes() -> None:
    assert await asked(b"12345", b"67890", announced="10") == (200, b"10")


@pytest.mark.parametrize("announced", ["11", "9" * 5000])
async def test_a_length_above_the_limit_is_refused_unread(announced: str) -> None:
    assert (await asked(announced=announced))[0] == 413


async def test_a_body_that_announces_nothing_is_cut_off_at_the_limit() -> None:
    assert (await asked(b"123456", b"78901"))[0] == 413


async def test_a_length_that_is_no_number_is_counted_instead() -> None:
    assert await asked(b"12345", announced="many") == (200, b"5")
    assert (await asked(b"12345678901", announced="many"))[0] == 413
