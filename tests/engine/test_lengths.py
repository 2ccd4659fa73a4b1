"""A text ends where it has the wished length: not before, and with a sentence where one fits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencecloud.engine import Engine, FinishReason, Limit, Resume, Sampling
from inferencecloud.engine.lengths import End, LengthKeeper
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.text import TextStream
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.evaluation.limits import Unit, count, fitting_end
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


def _written(words: str, aim: int | None) -> TextStream:
    """Return a stream that was given the words, one as a token."""
    pieces = _words(words)
    sampling = Sampling(aim_tokens=aim, max_new_tokens=10**6)
    stream = TextStream(lambda ids: "".join(pieces[n] for n in ids), sampling)
    for place in range(len(pieces)):
        if stream.reason is not None:
            break
        stream.push(place)
    stream.finish()
    return stream


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+\Z", text)


@pytest.mark.parametrize(
    ("text", "aim", "expected"),
    [
        ("One two three. Four five six. Seven eight nine.", 4, "One two three."),
        ("One two three. Four five six. Seven eight nine.", 5, "One two three. Four five six."),
        ("One two three four five six seven. Eight.", 2, "One two three four five six seven."),
        ("It costs $3. 50 are left. Hurry now.", 3, "It costs $3."),
        ("It costs $3.50 each. Hurry now. Go on.", 3, "It costs $3.50 each."),
        ('She said "Come in." Then she left. And so on.', 4, 'She said "Come in."'),
        ("Names:\n1. Lamp\n2. Light\n3. Glow\n4. Ray", 5, "Names:\n1. Lamp\n2. Light"),
        ("No end at all, and no line either", 3, "No end at all, and no line either"),
        ("Soon. Over.", 400, "Soon. Over."),
        ("One two three. Four five six. Seven eight nine.", None, None),
    ],
)
def test_a_text_ends_with_the_sentence_nearest_to_its_aim(
    text: str, aim: int | None, expected: str | None
) -> None:
    stream = _written(text, aim)
    assert stream.text == (text if expected is None else expected)
    assert stream.reason is (None if stream.text == text else FinishReason.STOP)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(("a", "lamp", "$3.50", "so.", "why?", "1.", "go\n")), max_size=60),
    st.integers(1, 50),
)
def test_an_aimed_text_is_the_beginning_of_the_whole_and_ends_with_a_sentence_or_line(
    words: list[str], aim: int
) -> None:
    whole = " ".join(words)
    stream = _written(whole, aim)
    text = stream.text
    assert whole.startswith(text)
    if stream.reason is None:
        assert text == whole
        return
    rest = whole[len(text) :]
    assert (text.endswith((".", "?")) and rest[0].isspace()) or rest.startswith("\n")
    assert len(_words(text)) * 1.5 > aim  # not far too short


def test_what_was_written_before_a_restart_counts() -> None:
    sampling = Sampling(aim_tokens=6, max_new_tokens=100)
    before = "The lamp is warm. "
    pieces = [before, "It", " lasts.", " It", " folds."]
    local = TextStream(lambda ids: "".join(pieces[n] for n in ids), sampling)
    local.replay((0,), Resume(token_ids=(0,), text=before))
    elsewhere = TextStream(lambda ids: "".join(pieces[n] for n in ids), sampling)
    elsewhere.replay((), Resume(token_ids=(-1,) * 5, text=before))
    for place in range(1, 4):
        for stream in (local, elsewhere):
            if stream.reason is None:
                stream.push(place)
    assert local.reason is None, "one token before, three now"
    assert elsewhere.text == "The lamp is warm. It lasts."
    assert elsewhere.reason is FinishReason.STOP


def test_an_engine_lets_a_text_finish_its_sentence(engine: Engine) -> None:
    """What is drawn stays the same; only the end is another."""
    free = Sampling(max_new_tokens=60, temperature=0.8, guidance_scale=1.0)
    aimed = replace(free, aim_tokens=12)
    asked = [(str(n), f"Meet the lamp {n}") for n in range(6)]
    whole = collect(engine.submit([ask(n, words, sampling=free) for n, words in asked]))
    ended = collect(engine.submit([ask(n, words, sampling=aimed) for n, words in asked]))
    for name, written in ended.items():
        assert whole[name].text.startswith(written.text)
    assert any(len(ended[n].text) < len(whole[n].text) for n in ended)


_X = Limit(unit="characters", high=30)


def _stopped(words: str, limit: Limit) -> tuple[list[str], TextStream]:
    """Return what was shown, piece by piece, of a text that goes on for too long."""
    pieces = _words(words)
    stream = TextStream(lambda ids: "".join(pieces[n] for n in ids), Sampling(length=limit))
    shown = []
    for place in range(len(pieces)):
        shown.append(stream.push(place))
        if stream.reason is not None:
            break
    return shown, stream


def test_a_sentence_that_may_be_too_long_is_shown_once_it_fits() -> None:
    shown, stream = _stopped("It is a lamp. It is warm. It is far too long to fit.", _X)
    assert shown == ["", "It", " is", " a", " lamp.", "", "", " It is warm.", ""]
    assert stream.text == "It is a lamp. It is warm."
    assert stream.reason is FinishReason.CHARS


@pytest.mark.parametrize("unit", ["words", "characters"])
@given(st.lists(st.sampled_from(("a", "lamp", "so.", "why?", "1.", "go\n")), max_size=40))
def test_a_text_that_is_cut_ends_with_a_sentence_where_one_fits(
    unit: Unit, words: list[str]
) -> None:
    whole = " ".join(words)
    limit = Limit(unit=unit, high=12 if unit == "words" else 30)
    shown, stream = _stopped(whole, limit)
    assert whole.startswith(stream.text)
    assert limit.holds(stream.text)
    assert "".join(shown) == stream.text or stream.reason is None
    end = fitting_end(whole, limit)
    if stream.reason is FinishReason.CHARS and end:
        assert stream.text == whole[:end]
