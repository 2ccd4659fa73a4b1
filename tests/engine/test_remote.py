"""Texts by an OpenAI-compatible server: streamed, stopped, tried again, and its refusals in plain words."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from inferencecloud.engine import (
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
from inferencecloud.engine.endpoint import Endpoint
from inferencecloud.engine.remote import RemoteConfig, RemoteOnly
from tests.engine.asking import ask, collect, write
from tests.engine.connecting import LAMP, connected
from tests.engine.stub_server import Handler, refusing, saying


def test_a_text_is_streamed_and_accounted_for() -> None:
    with connected(saying(LAMP, pause_s=0.01)) as (engine, _server):
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
    with connected(saying("x"), extended=True) as (engine, server):
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
    with connected(saying("x")) as (engine, server):
        write(engine, ask("a", "Write.", sampling=Sampling(top_k=3, min_p=0.1)))
    assert not {"top_k", "min_p", "repetition_penalty", "stop", "logprobs"} & set(server.asked[0])


def test_a_chain_is_sent_step_by_step_and_the_rest_side_by_side() -> None:
    def repeat(handler: Handler, asked: dict[str, Any]) -> None:
        saying(f"<{asked['messages'][-1]['content']}>", pause_s=0.05)(handler, asked)

    with connected(repeat) as (engine, server):
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
    with connected(saying(LAMP)) as (engine, _server):
        stopped = write(engine, ask("a", "x", sampling=Sampling(stop=("at rea",))))
        short = write(engine, ask("b", "x", sampling=Sampling(max_chars=15)))
    assert stopped.text == "Meet the lamp th"
    assert stopped.finish is not None
    assert stopped.finish.reason is FinishReason.STOP
    assert short.text == "Meet the lamp"
    assert short.finish is not None
    assert short.finish.reason is FinishReason.CHARS


def test_the_servers_limit_is_the_length() -> None:
    with connected(saying("one two", finish="length")) as (engine, _server):
        finish = write(engine, ask("a", "x")).finish
    assert finish is not None
    assert finish.reason is FinishReason.LENGTH


def test_logprobs_come_as_they_are_told() -> None:
    def answer(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.begin()
        entry = {"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1}]}
        handler.event({"choices": [{"delta": {"content": "Hi"}, "logprobs": {"content": [entry]}}]})
        handler.end()

    with connected(answer) as (engine, _server):
        deltas = list(engine.submit([ask("a", "x", sampling=Sampling(logprobs=1))]))
    (told,) = [one for delta in deltas for one in delta.logprobs]
    assert (told.chosen.text, told.chosen.logprob) == ("Hi", -0.5)
    assert told.top[0].text == "Ho"


def test_a_cancel_is_heard_by_the_server() -> None:
    with connected(saying("word " * 200, pause_s=0.02)) as (engine, server):
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

    with connected(never) as (engine, server):
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
    with connected(saying(" that reads"), extended=extended) as (engine, server):
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
    with connected(saying("x")) as (engine, server):
        finish = write(
            engine, ask("a", "x", sampling=Sampling(max_new_tokens=2), resume=resume)
        ).finish
    assert finish is not None
    assert finish.reason is FinishReason.LENGTH
    assert server.asked == []


def test_banned_phrases_cannot_be_promised_for_another_server() -> None:
    with connected(saying("x")) as (engine, server):
        finish = write(engine, ask("a", "x", sampling=Sampling(banned=("cheap",)))).finish
    assert finish is not None
    assert "banned phrases" in str(finish.error)
    assert server.asked == []


def test_the_context_is_what_the_server_tells() -> None:
    with connected(saying("x"), stub={"models": [{"id": "big", "max_model_len": 4096}]}) as (
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
    with connected(saying("word " * 20, pause_s=0.02)) as (engine, _server):
        before = engine.models()[0].decode_tokens_per_s
        for number in range(3):
            write(engine, ask(str(number), "x"))
        now = engine.models()[0].decode_tokens_per_s
    assert now != before
    assert 5 < now < 60


def test_the_key_is_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-very-secret"
    caplog.set_level(logging.DEBUG)
    leaky = refusing(400, f"bad request with key {key}")
    with connected(saying("fine"), leaky, stub={"key": key}, api_key=key) as (engine, _server):
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
    with connected(saying("x")) as (engine, server):
        write(engine, ask("a", "Grüße 🙂"))
    assert "Grüße 🙂" in json.dumps(server.asked, ensure_ascii=False)
