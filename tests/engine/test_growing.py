"""A prompt that grows ends as the prompt that was there at once, whatever the cuts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from inferencecloud.engine import Message, OutputOf, Request, Role, Text
from inferencecloud.engine.growing import GrowingPrompt, Source, common_prefix
from inferencecloud.engine.prompt import PromptEncoder
from inferencecloud.engine.serial import Turn

STARTER = Path(__file__).parents[2] / "models" / "starter"
WORDS = st.lists(
    st.sampled_from(
        ["Lamp", "warm", "light", "naïve", "東京", "🙂", "$49.50", "it's", "…", "\n", "a"]
    ),
    max_size=60,
).map(" ".join)


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    return PromptEncoder(AutoTokenizer.from_pretrained(STARTER))


def _request(*segments: Text | OutputOf) -> Request:
    return Request(
        id="r",
        model="m",
        messages=(
            Message(Role.SYSTEM, (Text("Warm and plain."),)),
            Message(Role.USER, segments),
        ),
    )


@given(text=WORDS, cuts=st.lists(st.integers(0, 300), max_size=12), after=WORDS)
def test_the_end_is_the_whole_text_encoded(
    encoder: PromptEncoder, text: str, cuts: list[int], after: str
) -> None:
    growing = GrowingPrompt(_request(Text("Shorten: "), OutputOf("a"), Text(after)), encoder)
    source = Source()
    for cut in sorted(cuts):
        source.text = text[:cut]
        _, complete = growing.token_ids({"a": source})
        assert not complete
    source.text, source.is_complete = text, True
    turns = [Turn("system", "Warm and plain."), Turn("user", f"Shorten: {text}{after}")]
    assert growing.token_ids({"a": source}) == (encoder.encode_chat(turns), True)


def test_most_of_what_is_told_early_stays(encoder: PromptEncoder) -> None:
    text = "Meet the lamp that reads with you, warm light for long evenings. " * 12
    growing = GrowingPrompt(_request(OutputOf("a"), Text(" Thanks.")), encoder)
    source = Source()
    told: list[int] = []
    wrong = 0
    for end in range(0, len(text), 9):
        source.text = text[:end]
        ids, _ = growing.token_ids({"a": source})
        wrong += len(told) - common_prefix(told, ids)
        told = ids
    source.text, source.is_complete = text, True
    ids, _ = growing.token_ids({"a": source})
    assert common_prefix(told, ids) >= len(told) - 3
    assert wrong <= len(ids) // 8


def test_a_text_that_is_changed_on_its_way_is_awaited_whole(encoder: PromptEncoder) -> None:
    growing = GrowingPrompt(_request(Text("Shout: "), OutputOf("a", str.upper)), encoder)
    early, _ = growing.token_ids({"a": Source("lamp")})
    assert early == growing.token_ids({"a": Source("lamp and light")})[0]
    ids, complete = growing.token_ids({"a": Source("lamp", is_complete=True)})
    turns = [Turn("system", "Warm and plain."), Turn("user", "Shout: LAMP")]
    assert (ids, complete) == (encoder.encode_chat(turns), True)


def test_the_second_source_is_read_when_the_first_is_complete(encoder: PromptEncoder) -> None:
    growing = GrowingPrompt(_request(OutputOf("a"), Text(" and "), OutputOf("b")), encoder)
    alone, _ = growing.token_ids({"a": Source("lamp"), "b": Source("a whole bed")})
    both, complete = growing.token_ids(
        {"a": Source("lamp", is_complete=True), "b": Source("a whole bed")}
    )
    assert len(both) > len(alone)
    assert not complete


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([], [], 0),
        ([1], [], 0),
        ([1, 2], [1, 2], 2),
        ([1, 2, 3], [1, 2], 2),
        ([1, 5], [1, 2, 3], 1),
    ],
)
def test_the_common_prefix_is_counted(one: list[int], other: list[int], same: int) -> None:
    assert common_prefix(one, other) == same
