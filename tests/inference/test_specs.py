"""What steps ask for: JSON there and back, hashes, filters."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.inference import specs
from apps.inference.specs import (
    Params,
    PromptMessage,
    Segment,
    Source,
    StepInvalid,
    StepOutput,
    StepSpec,
    Text,
)
from inferencecloud.engine import Limit

TEXTS = st.text(max_size=40)
APPLY = st.lists(st.sampled_from(sorted(specs.FILTERS)), max_size=2).map(tuple)
SEGMENTS = st.one_of(
    st.builds(Text, text=TEXTS),
    st.builds(Source, ref=TEXTS, text=TEXTS, output=st.none() | TEXTS, apply=APPLY),
    st.builds(StepOutput, step=st.sampled_from(["a", "b"]), apply=APPLY),
)
MESSAGES = st.lists(
    st.builds(
        PromptMessage,
        role=st.sampled_from(specs.ROLES),
        segments=st.lists(SEGMENTS, min_size=1, max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


@given(MESSAGES)
def test_messages_come_back_from_json_as_they_went(messages: tuple[PromptMessage, ...]) -> None:
    wire = json.loads(json.dumps(specs.messages_to_json(messages)))
    assert specs.messages_from_json(wire) == messages


def test_params_come_back_from_json_as_they_went() -> None:
    params = Params(
        max_new_tokens=9,
        repetition_penalty=1.2,
        no_repeat_ngram_size=5,
        seed=3,
        variants=2,
        max_chars=80,
        stop=("\n\n", "END"),
        required=("snooze button", "$85.99"),
        banned=("premium",),
        limit=Limit(unit="characters", high=280),
    )
    wire = json.loads(json.dumps(specs.params_to_json(params)))
    assert specs.params_from_json(wire) == params


def test_params_from_before_there_were_phrases_still_load() -> None:
    before = specs.params_to_json(Params(seed=3))
    assert not before.keys() & set(specs.PHRASES)
    assert specs.params_from_json(before) == Params(seed=3)


@pytest.mark.parametrize(("name", "wanted"), [("required", "must say"), ("banned", "must not say")])
def test_a_blank_phrase_is_refused(name: str, wanted: str) -> None:
    with pytest.raises(StepInvalid, match=f"{wanted}, got a blank one"):
        Params(**{name: ("oats", " ")})  # type: ignore[arg-type]


def test_a_limit_is_written_only_where_there_is_one() -> None:
    written = specs.params_to_json(Params(limit=Limit(unit="words", high=65)))
    assert written.pop("limit") == {"unit": "words", "low": 0, "high": 65}
    assert written == specs.params_to_json(Params())


@pytest.mark.parametrize("high", [0, 10_001])
def test_a_limit_that_no_text_could_have_is_refused(high: int) -> None:
    with pytest.raises(StepInvalid, match=f"limit between 1 and 10000, got {high}"):
        Params(limit=Limit(unit="words", high=high))


def test_an_upgrade_makes_nothing_out_of_date() -> None:
    """The hashes are those of the code before there were phrases."""
    params = Params(max_new_tokens=9, seed=3, variants=2, max_chars=80, stop=("\n\n", "END"))
    assert [_hash(_message("Write: "), params=one) for one in (Params(), params)] == [
        "3c8154eeeb299c12b1db6378a2408dd828ef54dc92d085fe1b39500be1f5c49f",
        "64e619a7a4d7ac2cde61f7a885c52b7c807896eea3431591c9d0989f8f14592b",
    ]


@given(MESSAGES, TEXTS, TEXTS)
def test_a_step_output_and_the_same_words_standing_hash_alike(
    messages: tuple[PromptMessage, ...], first: str, second: str
) -> None:
    outputs = {"a": first, "b": second}
    standing = tuple(
        PromptMessage(role=one.role, segments=tuple(_standing(s, outputs) for s in one.segments))
        for one in messages
    )
    assert _hash(messages, outputs=outputs) == _hash(standing)


def _standing(segment: Segment, outputs: dict[str, str]) -> Segment:
    if not isinstance(segment, StepOutput):
        return segment
    return Source(
        ref=segment.step, text=outputs[segment.step], output="some-id", apply=segment.apply
    )


def _hash(
    messages: tuple[PromptMessage, ...],
    *,
    params: Params = Params(),  # noqa: B008
    model: str = "m",
    outputs: dict[str, str] | None = None,
) -> str:
    return specs.input_hash(messages=messages, params=params, model_version=model, outputs=outputs)


def _message(text: str, source: str = "brief text") -> tuple[PromptMessage, ...]:
    segments = (Text(text=text), Source(ref="brief", text=source))
    return (PromptMessage(role="user", segments=segments),)


def test_everything_that_decides_the_text_changes_the_hash() -> None:
    base = _message("Write: ")
    hashes = {
        _hash(base),
        _hash(_message("Write it: ")),
        _hash(_message("Write: ", source="another brief")),
        _hash(base, params=Params(temperature=0.1)),
        _hash(base, params=Params(seed=1)),
        _hash(base, params=Params(required=("oats",))),
        _hash(base, params=Params(banned=("oats",))),
        _hash(base, params=Params(limit=Limit(unit="words", high=65))),
        _hash(base, params=Params(limit=Limit(unit="characters", high=65))),
        _hash(base, model="n"),
    }
    assert len(hashes) == 10


def test_blank_lines_and_spaces_at_the_ends_of_lines_change_nothing() -> None:
    assert _hash(_message("A\n\nB  ", "one\n\n two")) == _hash(_message("A\nB", " one \ntwo\n"))


def test_filters_run_in_their_order() -> None:
    assert specs.apply_filters(("first_line", "upper"), " one\ntwo") == "ONE"


def test_an_unknown_filter_is_refused_by_name() -> None:
    with pytest.raises(StepInvalid, match="“eval”"):
        StepSpec(
            key="a",
            messages=(
                PromptMessage(role="user", segments=(StepOutput(step="b", apply=("eval",)),)),
            ),
        )


def test_an_empty_instruction_is_refused() -> None:
    with pytest.raises(StepInvalid, match="empty"):
        StepSpec(key="a", messages=(PromptMessage(role="user", segments=()),))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("repetition_penalty", 0.9),
        ("no_repeat_ngram_size", -1),
        ("temperature", 3),
        ("top_p", 0),
        ("variants", 9),
        ("max_chars", 100_001),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(StepInvalid, match=f"{name} between"):
        Params(**{name: value})  # type: ignore[arg-type]


def test_each_source_is_read_once_in_the_dependencies() -> None:
    message = PromptMessage(role="user", segments=(StepOutput(step="a"), StepOutput(step="a")))
    assert StepSpec(key="b", messages=(message,)).depends_on == ["a"]
