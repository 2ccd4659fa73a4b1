"""What is written under a schema is JSON of that schema, whatever the model would rather say."""

from __future__ import annotations

import json

import pytest
import torch

from inferencecloud.engine.requests import Sampling
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.schema import AnswerOffSchema, InvalidSchema, SchemaMatcher
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.conftest import CORPUS

PRODUCT = json.dumps(
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 8},
            "tone": {"enum": ["warm", "bold"]},
            "stars": {"type": "integer", "minimum": 1, "maximum": 5},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 2},
        },
        "required": ["name", "tone", "stars", "tags"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    tokenizer = train_tokenizer(CORPUS * 4, vocabulary=400, context_tokens=256)
    return Vocabulary(tokenizer, size=len(tokenizer) + 8, end_ids=[tokenizer.eos_token_id])


def _write(sampler: Sampler, vocabulary: Vocabulary, seed: int, so_far: list[int]) -> list[int]:
    """Let a model of pure chance answer."""
    answer = list(so_far)
    while len(answer) < 200:
        logits = torch.randn(
            vocabulary.size, generator=torch.Generator().manual_seed(seed * 1000 + len(answer))
        )
        token_id = sampler.choose(logits, answer).token_id
        if token_id in vocabulary.end_ids:
            return answer
        answer.append(token_id)
    raise AssertionError("it did not end")


def _text(vocabulary: Vocabulary, answer: list[int]) -> str:
    return b"".join(vocabulary.pieces[n] for n in answer).decode()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_of_pure_chance_writes_what_fits(
    vocabulary: Vocabulary, seed: int, temperature: float
) -> None:
    sampler = Sampler(Sampling(json_schema=PRODUCT, temperature=temperature, seed=seed), vocabulary)
    text = _text(vocabulary, _write(sampler, vocabulary, seed, []))
    product = json.loads(text)
    assert set(product) == {"name", "tone", "stars", "tags"}
    assert 1 <= len(product["name"]) <= 8
    assert product["tone"] in {"warm", "bold"}
    assert 1 <= product["stars"] <= 5
    assert len(product["tags"]) <= 2


def test_an_answer_can_be_taken_up_anywhere(vocabulary: Vocabulary) -> None:
    wishes = Sampling(json_schema=PRODUCT, temperature=1.0, seed=3)
    sampler = Sampler(wishes, vocabulary)
    whole = _write(sampler, vocabulary, 3, [])
    assert _write(sampler, vocabulary, 3, []) == whole, "from the beginning again"
    for cut in range(0, len(whole), 3):
        assert _write(Sampler(wishes, vocabulary), vocabulary, 3, whole[:cut]) == whole


def test_a_complete_answer_may_only_end(vocabulary: Vocabulary) -> None:
    matcher = SchemaMatcher('{"const": 7}', vocabulary)
    ids = vocabulary.tokenizer.encode("7", add_special_tokens=False)
    assert set(matcher.allowed(ids).nonzero()[0].tolist()) == set(vocabulary.end_ids)


def test_an_answer_that_left_the_schema_is_told_and_does_not_stick(vocabulary: Vocabulary) -> None:
    matcher = SchemaMatcher('{"const": 7}', vocabulary)
    wrong = vocabulary.tokenizer.encode("8", add_special_tokens=False)
    with pytest.raises(AnswerOffSchema, match="left it"):
        matcher.allowed(wrong)
    assert matcher.allowed([]).any()


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ("{", "not JSON"),
        ("[1]", "list where an object was wanted"),
        ('{"type": "foo"}', "Invalid type: foo"),
        ('{"type": "string", "pattern": "("}', "regex parse error"),
        ('{"$ref": "http://example.com/x"}', "does not fetch"),
        ('{"not": {}}', "Unimplemented"),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused_in_words(
    vocabulary: Vocabulary, schema: str, problem: str
) -> None:
    with pytest.raises(InvalidSchema, match=problem):
        Sampler(Sampling(json_schema=schema), vocabulary)
