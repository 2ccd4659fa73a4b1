"""A request says at once what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from inferencecloud.engine import (
    EmptyPrompt,
    InvalidSampling,
    Limit,
    Message,
    OutputOf,
    Request,
    Role,
    Sampling,
    Text,
)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": -1}, "temperature must be between 0 and 5, got -1"),
        ({"temperature": 9.0}, "temperature"),
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.5}, "top_p"),
        ({"repetition_penalty": 0}, "repetition_penalty must be above 0 and at most 2, got 0"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size must be at least 0, got -1"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1, got 0"),
        ({"max_chars": 0}, "max_chars must be at least 1 or None, got 0"),
        ({"stop": ("",)}, "stop must be strings that are not empty"),
        ({"top_k": -1}, "top_k must be at least 0, got -1"),
        ({"min_p": 1.1}, "min_p must be between 0 and 1, got 1.1"),
        ({"logprobs": -1}, "logprobs must be None or 0 to 20, got -1"),
        ({"logprobs": 21}, "logprobs"),
        ({"banned": ("cheap", " ")}, "banned must be phrases that are not empty"),
        ({"length": Limit(unit="words", high=0)}, "length.high must be at least 1, got 0"),
        (
            {"length": Limit(unit="words", high=9), "json_schema": "{}"},
            "length must be None where the text is JSON",
        ),
        ({"required": ("",)}, "required must be phrases that are not empty"),
    ],
)
def test_sampling_out_of_range_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSampling, match=message):
        Sampling(**wrong)


@pytest.mark.parametrize("deadline_s", [0, -1.0])
def test_a_deadline_lies_ahead(deadline_s: float) -> None:
    message = Message(Role.USER, (Text("x"),))
    with pytest.raises(InvalidSampling, match="deadline_s must be above 0 or None"):
        Request(id="a", model="m", messages=(message,), deadline_s=deadline_s)


def test_a_request_without_a_segment_is_refused() -> None:
    with pytest.raises(EmptyPrompt, match="request a"):
        Request(id="a", model="m", messages=(Message(Role.USER, ()),))


def test_the_sources_of_a_request_are_the_requests_that_it_reads() -> None:
    segments = (Text("x"), OutputOf("b"), OutputOf("c", str.upper), OutputOf("b"))
    request = Request(id="a", model="m", messages=(Message(Role.USER, segments),))
    assert request.sources == {"b", "c"}
