"""Texts by an OpenAI-compatible server: streamed, stopped, tried again, and its refusals in plain words."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from inferencecloud.engine import (
    EngineClosed,
    FinishReason,
    InvalidSampling,
    Message,
    ModelNotLoaded,
    OutputOf,
    Request,
    Resume,
    Role,
    Sampling,
    Text,
)
from inferencecloud.engine.endpoint import Busy, Endpoint, RemoteFailed
from inferencecloud.engine.remote import RemoteConfig, RemoteEngine, RemoteOnly
from tests.engine.asking import ask, collect, write
from tests.engine.stub_server import Answer, Handler, Stub, refusing, saying, serving

QUICK = RemoteConfig(
    workers=4, connect_s=2, first_token_s=1, between_tokens_s=1, attempts=3, back_off_s=0.01
)
LAMP = "Meet the lamp that reads with you."


@contextmanager
def _connected(
    *answers: Answer,
    config: RemoteConfig = QUICK,
    stub: dict[str, Any] | None = None,
    **endpoint: Any,
) -> Iterator[tuple[RemoteEngine, Stub]]:
    with serving(*answers, **(stub or {})) as server:
        engine = RemoteEngine(config)
        try:
            engine.connect(
                Endpoint(base_url=server.url, model="big", allow_private=True, **endpoint),
                key="tiny",
            )
            yield engine, server
        finally:
            engine.close()


def test_a_text_is_streamed_and_accounted_for() -> None:
    with _connected(saying(LAMP, pause_s=0.01)) as (engine, _server):
        written = write(engine, ask("a", "Write."))
    assert written.text == LAMP
    assert written.deltas > 5
    assert written.finish is not None
    assert written.finish.reason is FinishReason.STOP
    assert (written.finish.prompt_tokens, written.finish.new_tokens) == (7, 7)
    assert written.finish.first_token_s is not None


def test_every_wish_is_told_in_the_servers_words() -> None:
    sampling = Sampling(
        temperature=0.7,
        top_p=0.9,
        seed=2**70,
        max_new_tokens=50,
        stop=("1", "2", "3", "4", "5"),
        json_schema='{"type": "object"}',
        logprobs=3,
        top_k=40,
        min_p=0.05,
        repetition_penalty=1.1,
        no_repeat_ngram_size=3,
    )
    request = Request(
        id="a",
        model="tiny",
        messages=(
            Message(Role.SYSTEM, (Text("Be "), Text("warm."))),
            Message(Role.USER, (Text("Write."),)),
        ),
        sampling=sampling,
    )
    with _connected(saying("x"), extended=True) as (engine, server):
        write(engine, request)
    (asked,) = server.asked
    assert asked.pop("seed") < 2**63
    assert asked == {
        "model": "big",
        "messages": [
            {"role": "system", "content": "Be warm."},
            {"role": "user", "content": "Write."},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 50,
        "temperature": 0.7,
        "top_p": 0.9,
        "stop": ["1", "2", "3", "4"],
        "logprobs": True,
        "top_logprobs": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}},
        },
        "top_k": 40,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
    }


def test_a_strict_server_is_asked_for_what_it_knows_alone() -> None:
    with _connected(saying("x")) as (engine, server):
        write(engine, ask("a", "Write.", sampling=Sampling(top_k=3, min_p=0.1)))
    assert not {"top_k", "min_p", "repetition_penalty", "stop", "logprobs"} & set(server.asked[0])


def test_a_chain_is_sent_step_by_step_and_the_rest_side_by_side() -> None:
    def repeat(handler: Handler, asked: dict[str, Any]) -> None:
        saying(f"<{asked['messages'][-1]['content']}>", pause_s=0.05)(handler, asked)

    with _connected(repeat) as (engine, server):
        written = collect(
            engine.submit(
                [
                    ask("c", "and ", OutputOf("a"), OutputOf("b", str.upper)),
                    ask("a", "one two three four"),
                    ask("b", "two two three four"),
                ]
            )
        )
    assert written["c"].text == "<and <one two three four><TWO TWO THREE FOUR>>"
    assert server.asked_at[1] - server.asked_at[0] < 0.15, "a and b wait for nobody"
    assert server.asked_at[2] - server.asked_at[0] > 0.15


def test_stop_strings_and_the_limit_of_characters_hold_whatever_the_server_does() -> None:
    with _connected(saying(LAMP)) as (engine, _server):
        stopped = write(engine, ask("a", "x", sampling=Sampling(stop=("at rea",))))
        short = write(engine, ask("b", "x", sampling=Sampling(max_chars=15)))
    assert stopped.text == "Meet the lamp th"
    assert stopped.finish is not None
    assert stopped.finish.reason is FinishReason.STOP
    assert short.text == "Meet the lamp"
    assert short.finish is not None
    assert short.finish.reason is FinishReason.CHARS


def test_the_servers_limit_is_the_length() -> None:
    with _connected(saying("one two", finish="length")) as (engine, _server):
        finish = write(engine, ask("a", "x")).finish
    assert finish is not None
    assert finish.reason is FinishReason.LENGTH


def test_logprobs_come_as_they_are_told() -> None:
    def answer(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.begin()
        entry = {"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1}]}
        handler.event({"choices": [{"delta": {"content": "Hi"}, "logprobs": {"content": [entry]}}]})
        handler.end()

    with _connected(answer) as (engine, _server):
        deltas = list(engine.submit([ask("a", "x", sampling=Sampling(logprobs=1))]))
    (told,) = [one for delta in deltas for one in delta.logprobs]
    assert (told.chosen.text, told.chosen.logprob) == ("Hi", -0.5)
    assert told.top[0].text == "Ho"


def test_a_busy_server_is_asked_again_when_it_wants_to_be() -> None:
    busy = refusing(429, "slow down", Retry_After="0.3")
    with _connected(busy, busy, saying(LAMP)) as (engine, server):
        assert write(engine, ask("a", "x")).text == LAMP
    waits = [b - a for a, b in zip(server.asked_at, server.asked_at[1:], strict=False)]
    assert all(wait >= 0.3 for wait in waits)
    assert len(waits) == 2


def _failure(*answers: Answer, stub: dict[str, Any] | None = None) -> str:
    with _connected(*answers, stub=stub) as (engine, _server):
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
    with _connected(answer) as (engine, server):
        finish = write(engine, ask("a", "x")).finish
    assert finish is not None
    assert told in str(finish.error)
    assert len(server.asked) == 1


def test_a_connection_that_breaks_before_the_first_word_is_tried_again() -> None:
    def cut(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.cut()

    with _connected(cut, saying(LAMP)) as (engine, server):
        assert write(engine, ask("a", "x")).text == LAMP
    assert len(server.asked) == 2


def test_a_server_that_never_begins_is_given_up() -> None:
    def never(_handler: Handler, _asked: dict[str, Any]) -> None:
        time.sleep(1.5)

    assert "said nothing for too long" in _failure(never)


def test_a_cancel_is_heard_by_the_server() -> None:
    with _connected(saying("word " * 200, pause_s=0.02)) as (engine, server):
        stage = engine.submit([ask("a", "x")])
        while not any(delta.text for delta in stage.poll(timeout_s=5)):
            pass
        stage.cancel("a")
        (finish,) = [delta.finish for delta in stage if delta.finish]
        assert finish.reason is FinishReason.CANCELLED
        assert server.left.wait(2)


def test_a_cancel_before_the_first_word_is_heard_at_once() -> None:
    def never(_handler: Handler, _asked: dict[str, Any]) -> None:
        time.sleep(0.8)

    with _connected(never) as (engine, server):
        stage = engine.submit([ask("a", "x")])
        while not server.asked:
            time.sleep(0.01)
        begun = time.monotonic()
        stage.cancel()
        assert [delta.finish.reason for delta in stage if delta.finish] == [FinishReason.CANCELLED]
        assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize("extended", [True, False])
def test_an_answer_is_taken_up_from_its_text(extended: bool) -> None:
    resume = Resume(token_ids=(-1, -1, -1), text="Meet the lamp")
    sampling = Sampling(max_new_tokens=10)
    with _connected(saying(" that reads"), extended=extended) as (engine, server):
        written = write(engine, ask("a", "x", sampling=sampling, resume=resume))
    assert written.text == " that reads"
    assert written.finish is not None
    assert written.finish.new_tokens == 3 + 2
    (asked,) = server.asked
    assert asked["max_tokens"] == 7
    assert {"role": "assistant", "content": "Meet the lamp"} in asked["messages"]
    assert asked.get("continue_final_message", False) is extended


def test_an_answer_that_is_long_enough_is_not_asked_for() -> None:
    resume = Resume(token_ids=(-1, -1), text="a b")
    with _connected(saying("x")) as (engine, server):
        finish = write(
            engine, ask("a", "x", sampling=Sampling(max_new_tokens=2), resume=resume)
        ).finish
    assert finish is not None
    assert finish.reason is FinishReason.LENGTH
    assert server.asked == []


def test_banned_phrases_cannot_be_promised_for_another_server() -> None:
    with _connected(saying("x")) as (engine, server):
        finish = write(engine, ask("a", "x", sampling=Sampling(banned=("cheap",)))).finish
    assert finish is not None
    assert "banned phrases" in str(finish.error)
    assert server.asked == []


def test_the_context_is_what_the_server_tells() -> None:
    with _connected(saying("x"), stub={"models": [{"id": "big", "max_model_len": 4096}]}) as (
        engine,
        _server,
    ):
        (info,) = engine.models()
        assert info.context_tokens == 4096
        assert info.name.startswith("big at 127.0.0.1")
        assert engine.load(Path("x"), key="tiny") == info
        assert engine.count_tokens("tiny", "abcdefgh!") == 3
        assert engine.estimate_s("tiny", prompt_tokens=0, new_tokens=40) == pytest.approx(1.0)
        engine.unload("tiny")
        with pytest.raises(ModelNotLoaded):
            engine.submit([ask("a", "x")])
        with pytest.raises(RemoteOnly, match="got the folder x"):
            engine.load(Path("x"), key="tiny")


def test_the_known_speed_follows_what_was_seen() -> None:
    with _connected(saying("word " * 20, pause_s=0.02)) as (engine, _server):
        before = engine.models()[0].decode_tokens_per_s
        for number in range(3):
            write(engine, ask(str(number), "x"))
        now = engine.models()[0].decode_tokens_per_s
    assert now != before
    assert 5 < now < 60


@pytest.mark.parametrize(
    ("stub", "endpoint", "told"),
    [
        ({"models": [{"id": "small"}]}, {}, "knows no model big; it knows small"),
        ({"key": "secret-1"}, {"api_key": "secret-2"}, "refused the key"),
        ({"models": None}, {}, "Wanted a list of models"),
    ],
)
def test_a_wrong_endpoint_is_told_when_it_is_connected(
    stub: dict[str, Any], endpoint: dict[str, Any], told: str
) -> None:
    with pytest.raises(RemoteFailed, match=told), _connected(saying("x"), stub=stub, **endpoint):
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
    with _connected(refusing(401, "revoked"), saying(LAMP)) as (engine, server):
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


def test_the_key_is_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-very-secret"
    caplog.set_level(logging.DEBUG)
    leaky = refusing(400, f"bad request with key {key}")
    with _connected(saying("fine"), leaky, stub={"key": key}, api_key=key) as (engine, _server):
        assert write(engine, ask("a", "x")).text == "fine"
        finish = write(engine, ask("b", "x")).finish
    assert finish is not None
    assert "***" in str(finish.error)
    assert key not in str(finish.error) + caplog.text
    assert key not in repr(Endpoint(base_url="https://example.com/v1", model="m", api_key=key))


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"attempts": 0}])
def test_a_config_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidSampling, match="at least 1"):
        RemoteConfig(**wrong)


def test_what_is_asked_for_is_json() -> None:
    with _connected(saying("x")) as (engine, server):
        write(engine, ask("a", "Grüße 🙂"))
    assert "Grüße 🙂" in json.dumps(server.asked, ensure_ascii=False)
