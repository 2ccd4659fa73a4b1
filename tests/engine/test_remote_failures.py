"""What an OpenAI-compatible server refuses, breaks off or never begins: tried again, or told plainly."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from inferencecloud.engine import EngineClosed, FinishReason
from inferencecloud.engine.endpoint import Busy, Endpoint, RemoteFailed
from inferencecloud.engine.remote import RemoteEngine
from tests.engine.asking import ask, write
from tests.engine.connecting import LAMP, QUICK, connected
from tests.engine.stub_server import Answer, Handler, refusing, saying


def test_a_busy_server_is_asked_again_when_it_wants_to_be() -> None:
    busy = refusing(429, "slow down", Retry_After="0.3")
    with connected(busy, busy, saying(LAMP)) as (engine, server):
        assert write(engine, ask("a", "x")).text == LAMP
    waits = [b - a for a, b in zip(server.asked_at, server.asked_at[1:], strict=False)]
    assert all(wait >= 0.3 for wait in waits)
    assert len(waits) == 2


def _failure(*answers: Answer, stub: dict[str, Any] | None = None) -> str:
    with connected(*answers, stub=stub) as (engine, _server):
        finish = write(engine, ask("a", "x")).finish
    assert finish is not None
    assert finish.reason is FinishReason.FAILED
    return str(finish.error)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (refusing(429, "slow down"), "has too many requests: slow down. Tried 3 times."),
        (refusing(503, "loading"), r"failed \(503\): loading. Tried 3 times."),
        (refusing(401, "no"), r"refused the key \(401\)"),
        (refusing(404, "no such model"), "knows no model big: no such model"),
        (
            refusing(400, "context is 10 tokens"),
            r"refused the request \(400\): context is 10 tokens",
        ),
        (saying("a b", finish="content_filter"), "filter held the rest"),
    ],
)
def test_a_refusal_is_told_in_plain_words(answer: Answer, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(_failure(answer))


def _broken(handler: Handler, _asked: dict[str, Any]) -> None:
    handler.begin()
    handler.words("Meet the")
    handler.cut()


def _ended_early(handler: Handler, _asked: dict[str, Any]) -> None:
    handler.begin()
    handler.words("Meet the")
    handler.raw(b"")


def _not_json(handler: Handler, _asked: dict[str, Any]) -> None:
    handler.begin()
    handler.event("<html>")
    handler.raw(b"")


def _error_inside(handler: Handler, _asked: dict[str, Any]) -> None:
    handler.begin()
    handler.words("Meet the")
    handler.event({"error": {"message": "out of memory"}})
    handler.raw(b"")


def _silent(handler: Handler, _asked: dict[str, Any]) -> None:
    handler.begin()
    handler.words("Meet the")
    time.sleep(1.5)
    handler.words("lamp")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_broken, "broke off in the middle"),
        (_ended_early, "broke off in the middle"),
        (_not_json, "Wanted an event of a chat completion, got '<html>'"),
        (_error_inside, "out of memory"),
        (_silent, "said nothing for too long"),
    ],
)
def test_a_stream_that_goes_wrong_is_not_repeated(answer: Answer, told: str) -> None:
    with connected(answer) as (engine, server):
        finish = write(engine, ask("a", "x")).finish
    assert finish is not None
    assert told in str(finish.error)
    assert len(server.asked) == 1


def test_a_connection_that_breaks_before_the_first_word_is_tried_again() -> None:
    def cut(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.cut()

    with connected(cut, saying(LAMP)) as (engine, server):
        assert write(engine, ask("a", "x")).text == LAMP
    assert len(server.asked) == 2


def test_a_server_that_never_begins_is_given_up() -> None:
    def never(_handler: Handler, _asked: dict[str, Any]) -> None:
        time.sleep(1.5)

    assert "said nothing for too long" in _failure(never)


@pytest.mark.parametrize(
    ("stub", "endpoint", "told"),
    [
        ({"models": [{"id": "small"}]}, {}, "knows no model big; it knows small"),
        ({"key": "secret-1"}, {"api_key": "secret-2"}, "refused the key"),
        ({"models": None}, {}, "Wanted a list of models"),
    ],
)
def test_a_wrong_endpoint_is_told_when_it_isconnected(
    stub: dict[str, Any], endpoint: dict[str, Any], told: str
) -> None:
    with pytest.raises(RemoteFailed, match=told), connected(saying("x"), stub=stub, **endpoint):
        pass


def test_a_server_that_is_not_there_is_told() -> None:
    engine = RemoteEngine(QUICK)
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", model="big", allow_private=True)
    with pytest.raises(RemoteFailed, match=r"cannot be reached.*Tried 3 times"):
        engine.connect(endpoint, key="tiny")
    engine.close()
    engine.close()
    with pytest.raises(EngineClosed):
        engine.submit([])


def test_a_model_whose_key_is_refused_later_has_to_be_connected_again() -> None:
    with connected(refusing(401, "revoked"), saying(LAMP)) as (engine, server):
        finish = write(engine, ask("a", "x")).finish
        assert finish is not None
        assert "refused the key" in str(finish.error)
        assert engine.models() == []
        engine.connect(Endpoint(base_url=server.url, model="big", allow_private=True), key="tiny")
        assert write(engine, ask("b", "x")).text == LAMP


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("7", 7.0),
        ("-1", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_a_server_says_when_to_come_back_by_a_number_or_a_date(
    told: str, expected: float | None
) -> None:
    endpoint = Endpoint(base_url="https://example.com/v1", model="m")
    with pytest.raises(Busy) as caught:
        endpoint.check(httpx.Response(503, headers={"Retry-After": told}), "<html>")
    assert caught.value.wait_s == expected
    assert str(caught.value) == "The server at example.com failed (503)."
