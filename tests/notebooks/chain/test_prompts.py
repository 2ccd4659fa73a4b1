"""A cell becomes a step: the instruction with the texts put in, in the person's order."""

from dataclasses import replace

import pytest

from apps.inference.specs import Source, StepOutput, Text
from apps.notebooks.chain.prompts import Standing, hash_of, step_of
from apps.notebooks.chain.references import Reference
from inferencecloud.engine import Limit
from tests.notebooks.chain.cells import key, prompt

BRIEF = Reference(target=key("brief"))
CLAIM = Reference(target=key("claim"), mode="released")


def step(*parts, standing=None, **params):
    cell = replace(prompt("tagline", **params), parts=parts)
    standing = standing or Standing(texts={BRIEF: "An oat bar", CLAIM: "Honest food"})
    return step_of(cell, parts, standing=standing, voice="You write for Northwind.")


def user_segments(spec):
    return list(spec.messages[1].segments)


def test_a_reference_within_a_sentence_stays_within_it():
    assert user_segments(step("In the spirit of ", CLAIM, " write a tag line.")) == [
        Text(text="In the spirit of "),
        Source(ref=str(key("claim")), text="Honest food"),
        Text(text=" write a tag line."),
    ]


def test_a_reference_that_ends_the_instruction_gets_lines_of_its_own():
    assert user_segments(step("Write a tag line for ", BRIEF, ". ")) == [
        Text(text="Write a tag line for:\n"),
        Source(ref=str(key("brief")), text="An oat bar"),
    ]


def test_a_source_that_the_run_writes_streams_into_its_reader():
    standing = Standing(texts={}, steps=frozenset({BRIEF.target}))
    assert user_segments(step("For ", BRIEF, standing=standing))[1] == StepOutput(
        step=str(key("brief"))
    )


def test_a_released_text_is_read_even_when_the_run_writes_its_cell():
    standing = Standing(texts={CLAIM: "Honest food"}, steps=frozenset({CLAIM.target}))
    assert isinstance(user_segments(step("By ", CLAIM, " write", standing=standing))[1], Source)


def test_the_source_names_the_output_that_stands_there():
    standing = Standing(texts={BRIEF: "x"}, outputs={BRIEF.target: "output-1"})
    assert user_segments(step("For ", BRIEF, standing=standing))[1].output == "output-1"


def test_the_persons_words_become_parameters():
    params = step("Write", length="long", adventurous=4, variants=3).params
    assert (params.max_new_tokens, params.temperature, params.variants) == (320, 1.0, 3)
    assert params.repetition_penalty > 1
    assert params.no_repeat_ngram_size > 0


PHRASES = {"required": ["tapered legs", "$85.99"], "banned": ["premium"]}


def test_what_to_say_and_what_not_stands_after_the_instruction_in_words_of_the_starter():
    told = Text(text="\nFacts: tapered legs, $85.99.\nWords to avoid: premium.")
    assert user_segments(step("Write a tag line for ", BRIEF, ". ", **PHRASES)) == [
        Text(text="Write a tag line for:\n"),
        Source(ref=str(key("brief")), text="An oat bar"),
        told,
    ]
    free = step("In the spirit of ", CLAIM, " write.")
    bound = step("In the spirit of ", CLAIM, " write.", **PHRASES)
    assert user_segments(bound) == [*user_segments(free), told]
    assert bound.messages[0] == free.messages[0]


def test_only_what_is_set_is_told():
    assert user_segments(step("Write", required=["oats"]))[-1] == Text(text="\nFacts: oats.")
    assert user_segments(step("Write", banned=["a", "b"]))[-1] == Text(
        text="\nWords to avoid: a, b."
    )
    assert user_segments(step("Write", required=[], banned=[])) == [Text(text="Write")]


def test_phrases_become_parameters():
    params = step("Write", **PHRASES).params
    assert (params.required, params.banned) == (("tapered legs", "$85.99"), ("premium",))
    assert step("Write").params.required == step("Write").params.banned == ()


@pytest.mark.parametrize(
    ("unit", "high", "told"),
    [
        ("characters", 280, "At most 280 characters."),
        ("words", 65, "At most 65 words."),
        ("words", 1, "At most 1 word."),
        ("sentences", 3, "At most 3 sentences."),
        ("sentences", 1, "At most 1 sentence."),
    ],
)
def test_how_long_the_text_may_be_is_told_and_becomes_a_parameter(unit, high, told):
    spec = step("Write", limit={"unit": unit, "high": high})
    assert user_segments(spec) == [Text(text="Write"), Text(text=f"\n{told}")]
    assert spec.params.limit == Limit(unit=unit, high=high)


def test_how_long_comes_after_what_to_say():
    limit = {"unit": "words", "high": 65}
    assert user_segments(step("Write", **PHRASES, limit=limit))[-1] == Text(
        text="\nFacts: tapered legs, $85.99.\nWords to avoid: premium.\nAt most 65 words."
    )
    assert step("Write", limit={"unit": "pages", "high": 2}) == step("Write")


def test_cells_without_phrases_are_as_current_as_before_there_were_any():
    """The hashes are those of the code before."""
    three = {"length": "long", "adventurous": 4, "variants": 3}
    assert [
        hash_of(step("For ", BRIEF), "model-1"),
        hash_of(step("Write a tag line for ", BRIEF, ". ", **three), "model-1"),
    ] == [
        "58acea5873bcf7caa1c2c0cf1cd217eeb8535345dde9e9ddf5b40ab64ed0a999",
        "bc9fd21f92d6811bc5224b0de6628d121353e5800da9aac266a46063ef459c80",
    ]


def test_the_hash_changes_with_text_parameters_and_model_only():
    base = hash_of(step("For ", BRIEF), "model-1")
    assert hash_of(step("For  ", BRIEF), "model-1") == base
    assert hash_of(step("For ", BRIEF, length="long"), "model-1") != base
    assert hash_of(step("For ", BRIEF, required=["oats"]), "model-1") != base
    assert hash_of(step("For ", BRIEF, banned=["oats"]), "model-1") != base
    limit = {"unit": "words", "high": 65}
    assert hash_of(step("For ", BRIEF, limit=limit), "model-1") != base
    assert hash_of(step("For ", BRIEF), "model-2") != base
    other = Standing(texts={BRIEF: "A rye bar"})
    assert hash_of(step("For ", BRIEF, standing=other), "model-1") != base
