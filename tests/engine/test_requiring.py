"""Required phrases are likelier until they are said, whatever the tokens, and nothing else changes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from inferencecloud.engine import Engine, Sampling
from inferencecloud.engine.phrases import folded, says
from inferencecloud.engine.requiring import BEGIN, GO_ON, Requirement
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.asking import ask, write
from tests.engine.conftest import CORPUS
from tests.engine.test_vocabulary import sentence_piece

PHRASES = ("tapered legs", "$85.99", "Lima", "women's jacket", "café", "10% off", "无料")


def _byte_level() -> Vocabulary:
    texts = [*CORPUS, " ".join(PHRASES), *(f"With {phrase}, and" for phrase in PHRASES)] * 6
    tokenizer = train_tokenizer(texts, vocabulary=450, context_tokens=256)
    return Vocabulary(tokenizer, size=len(tokenizer), end_ids=[tokenizer.eos_token_id])


def _sentence_piece() -> Vocabulary:
    core = json.loads(sentence_piece().backend_tokenizer.to_str())
    core["added_tokens"] = [
        token for token in core["added_tokens"] if not token["content"].startswith("<0x")
    ]  # bytes are no special tokens in such models
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(core)))
    return Vocabulary(tokenizer, size=len(tokenizer), end_ids=[1])


VOCABULARIES = {"byte level": _byte_level(), "SentencePiece": _sentence_piece()}


@pytest.fixture(params=list(VOCABULARIES))
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    return VOCABULARIES[request.param]


def _encode(vocabulary: Vocabulary, text: str) -> list[int]:
    ids: list[int] = vocabulary.tokenizer.encode(text, add_special_tokens=False)
    return ids


def _text(vocabulary: Vocabulary, answer: list[int]) -> str:
    return b"".join(vocabulary.pieces[n] for n in answer).decode(errors="ignore")


def _wanted(vocabulary: Vocabulary, phrase: str, so_far: str) -> dict[str, float]:
    """Return what is added to which tokens behind a text."""
    bonuses = Requirement((phrase,), vocabulary).bonuses(_encode(vocabulary, so_far))
    return {vocabulary.pieces[n].decode(errors="replace"): bonus for n, bonus in bonuses.items()}


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("before", ["", "Look at the", "Look. ", "Look.\n", 'Our "'])
def test_a_model_without_an_opinion_says_it_at_once(
    vocabulary: Vocabulary, phrase: str, before: str
) -> None:
    written = _written(vocabulary, before, phrase)
    assert written.strip().casefold() == phrase.casefold()
    answer = _encode(vocabulary, before + written)
    assert not Requirement((phrase,), vocabulary).bonuses(answer), "it is said: nothing is added"


def _is_said(vocabulary: Vocabulary, answer: list[int], phrase: str) -> bool:
    text = folded(_text(vocabulary, answer), any_case=True)
    return says(text, folded(phrase, any_case=True))


def test_what_begins_a_phrase_is_likelier_and_what_goes_on_with_it_more(
    vocabulary: Vocabulary,
) -> None:
    ids = _encode(vocabulary, "x tapered legs")[len(_encode(vocabulary, "x")) :]
    answer = _encode(vocabulary, "It has")
    requirement = Requirement(("tapered legs",), vocabulary)
    for place, token_id in enumerate(ids):
        bonuses = requirement.bonuses([*answer, *ids[:place]])
        assert bonuses[token_id] == (GO_ON if place else BEGIN)


def _written(vocabulary: Vocabulary, so_far: str, phrase: str) -> str:
    """Return what a model without an opinion writes next, until the phrase is said."""
    sampler = Sampler(Sampling(required=(phrase,)), vocabulary)
    answer = begun = _encode(vocabulary, so_far)
    while len(answer) < len(begun) + 20 and not _is_said(vocabulary, answer, phrase):
        answer = [*answer, sampler.choose(torch.zeros(vocabulary.size), answer).token_id]
    return _text(vocabulary, answer).removeprefix(so_far)


@pytest.mark.parametrize(
    ("so_far", "phrase", "written"),
    [
        ("It has", "tapered legs", " tapered legs"),
        ("Look.", "tapered legs", " Tapered legs"),
        ("Look at it:\n", "tapered legs", "Tapered legs"),
        ("", "tapered legs", "Tapered legs"),
        ("Made in", "Lima", " Lima"),
        ("It costs ", "$85.99", "$85.99"),
        ("それは", "無料", "無料"),
        ("それは。", "iPhone", "iPhone"),
        ("Look.", "iPhone case", " iPhone case"),
        ("서울", "무료", " 무료"),
    ],
)
def test_a_phrase_fits_its_place(
    vocabulary: Vocabulary, so_far: str, phrase: str, written: str
) -> None:
    assert _written(vocabulary, so_far, phrase) == written


def test_the_phrase_that_has_come_furthest_goes_on() -> None:
    """Alone, the space that another form begins with is no reason to begin anew."""
    vocabulary = VOCABULARIES["SentencePiece"]
    assert _written(vocabulary, "Our women's", "women's jacket") == " jacket"


def test_a_phrase_does_not_begin_within_a_word() -> None:
    vocabulary = VOCABULARIES["byte level"]
    for text in ("It is a ligh", "ta", "at"):
        assert all(piece[0] == " " for piece in _wanted(vocabulary, "tapered legs", f"Of {text}"))
    assert GO_ON not in _wanted(vocabulary, "tapered legs", "Of a cat").values()


@pytest.mark.parametrize(
    "text",
    ["Tapered Legs", "its tapered\nlegs.", "TAPERED  LEGS!", "(tapered legs)"],
)
def test_what_is_said_in_any_case_and_spacing_is_said(vocabulary: Vocabulary, text: str) -> None:
    assert not _wanted(vocabulary, "tapered legs", text)


def test_a_longer_word_does_not_count(vocabulary: Vocabulary) -> None:
    assert _wanted(vocabulary, "art", "smart artisan article")


def test_a_phrase_that_is_banned_too_does_not_appear() -> None:
    vocabulary = VOCABULARIES["byte level"]
    sampler = Sampler(Sampling(required=("tapered legs",), banned=("Tapered legs",)), vocabulary)
    answer: list[int] = []
    for _ in range(20):
        answer.append(sampler.choose(torch.zeros(vocabulary.size), answer).token_id)
    assert "tapered legs" not in _text(vocabulary, answer).casefold()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**30),
    st.lists(st.sampled_from(PHRASES), min_size=1, max_size=4),
    st.sampled_from(sorted(VOCABULARIES)),
)
def test_nothing_but_the_next_of_a_phrase_is_changed(
    seed: int, required: list[str], kind: str
) -> None:
    vocabulary = VOCABULARIES[kind]
    chance = torch.Generator().manual_seed(seed)
    answer = torch.randint(0, vocabulary.size, (12,), generator=chance).tolist()
    scores = torch.randn(vocabulary.size, generator=chance)
    before = scores.clone()
    requirement = Requirement(required, vocabulary)
    bonuses = requirement.bonuses(answer)
    after = requirement.added(scores, answer)
    assert torch.equal(scores, before), "the logits are left as they were"
    for token_id in range(vocabulary.size):
        added = float(after[token_id] - before[token_id])
        assert added == pytest.approx(bonuses.get(token_id, 0.0), abs=1e-5)
    assert set(bonuses.values()) <= {BEGIN, GO_ON}


def test_an_engine_says_what_is_required(engine: Engine) -> None:
    """Of words that the model nearly chose, each is said where it is required."""
    plain = Sampling(max_new_tokens=30, logprobs=20, guidance_scale=1.0)
    deltas = list(engine.submit([ask("a", "Meet the lamp", sampling=plain)]))
    whole = "".join(delta.text for delta in deltas).casefold()
    near = {
        other.text.strip()
        for delta in deltas
        for told in delta.logprobs
        for other in told.top
        if other.text[:1] == " "
        and other.text.strip().isalpha()
        and other.logprob > told.chosen.logprob - BEGIN + 0.5
    }
    missing = [word for word in sorted(near) if not says(whole, word.casefold())]
    assert missing
    for word in missing:
        required = replace(plain, required=(word,))
        text = write(engine, ask("a", "Meet the lamp", sampling=required)).text
        assert word.casefold() in text.casefold()
