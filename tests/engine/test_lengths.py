"""A text ends where it has the wished length: not before, and with a sentence where one fits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencecloud.engine import Engine, FinishReason, Limit, Sampling
from inferencecloud.engine.lengths import End, LengthKeeper
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.text import TextStream
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.evaluation.limits import Unit, count
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.asking import ask, collect
from tests.engine.conftest import CORPUS


def _vocabulary() -> Vocabulary:
    tokenizer = train_tokenizer(CORPUS * 4, vocabulary=400, context_tokens=256)
    return Vocabulary(tokenizer, size=len(tokenizer), end_ids=[tokenizer.eos_token_id])


VOCABULARY = _vocabulary()
(EOS,) = VOCABULARY.end_ids


def _encode(text: str) -> list[int]:
    ids: list[int] = VOCABULARY.tokenizer.encode(text, add_special_tokens=False)
    return ids


@pytest.mark.parametrize(
    ("text", "unit", "low", "high", "end"),
    [
        ("One two.", "words", 3, 9, End.FORBIDDEN),
        ("One two.", "words", 2, 9, End.FREE),
        ("One two.", "words", 0, 4, End.FREE),  # two more would just fit
        ("One two.", "words", 0, 3, End.DUE),
        ("One two", "words", 0, 3, End.FREE),  # in the middle of a sentence
        ("One. Two", "sentences", 2, 2, End.FREE),
        ("One. Two.", "sentences", 2, 2, End.DUE),
        ("One.", "sentences", 2, 2, End.FORBIDDEN),
        ("It costs $129.", "sentences", 1, 1, End.FREE),  # "$129.50" may come
        ("It costs $129.50.", "sentences", 1, 1, End.FREE),
        ("Tiny. Tiny!\n", "characters", 0, 17, End.DUE),
        ("Tiny. Tiny!\n", "characters", 0, 18, End.FREE),
        ("", "words", 1, 2, End.FORBIDDEN),
    ],
)
def test_the_end_is_due_with_the_last_sentence_that_fits(
    text: str, unit: Unit, low: int, high: int, end: End
) -> None:
    keeper = LengthKeeper(Limit(unit=unit, low=low, high=high), VOCABULARY)
    assert keeper.end_after(_encode(text)) is end


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**30),
    st.sampled_from(("words", "characters", "sentences")),
    st.integers(0, 8),
    st.integers(1, 12),
    st.floats(-2, 6),
)
def test_a_text_has_its_length_whatever_the_model_wants(
    seed: int, unit: Unit, low: int, more: int, eagerness: float
) -> None:
    """Whole words come from a chance that likes to end, or not at all."""
    limit = Limit(unit=unit, low=low, high=low + more)
    chance = torch.Generator().manual_seed(seed)
    sampling = Sampling(temperature=1.0, seed=seed, length=limit)
    sampler = Sampler(sampling, VOCABULARY)
    stream = TextStream(lambda ids: VOCABULARY.tail(ids, 10**6).decode(errors="replace"), sampling)
    wanted = torch.full((VOCABULARY.size,), -9.0)
    for word in (" lamp", " a", ".", "!", " It", "\n"):
        wanted[_encode(word)] = 2.0
    wanted[EOS] = eagerness
    answer: list[int] = []
    shown = ""
    for _ in range(400):
        noisy = wanted + torch.randn(VOCABULARY.size, generator=chance)
        token_id = sampler.choose(noisy, answer).token_id
        if token_id == EOS:
            break
        answer.append(token_id)
        shown += stream.push(token_id)
        if stream.reason:
            break
    shown += stream.finish()
    assert count(shown, unit) <= limit.high
    if len(answer) < 400 and unit != "characters":  # those are cut at a word, which may be too few
        assert limit.holds(shown)


@pytest.mark.parametrize("unit", ["words", "characters", "sentences"])
def test_an_engine_keeps_the_length(engine: Engine, unit: Unit) -> None:
    limit = Limit(unit=unit, low=1, high=20 if unit == "characters" else 5)
    sampling = Sampling(max_new_tokens=60, temperature=0.8, length=limit, guidance_scale=1.0)
    requests = [ask(str(n), f"Meet the lamp {n}", sampling=sampling) for n in range(6)]
    for written in collect(engine.submit(requests)).values():
        assert written.finish is not None
        assert written.finish.reason in {
            FinishReason.STOP,
            FinishReason.CHARS,
            FinishReason.LENGTH,
        }
        assert limit.holds(written.text)
