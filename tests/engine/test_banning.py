"""Banned phrases never appear, whatever the tokens; words that only hold one may."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencecloud.engine.banning import Ban
from inferencecloud.engine.phrases import is_word
from inferencecloud.engine.requests import Sampling
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.conftest import CORPUS

WORDS = (
    *("art", "free", "for", "café", "naïve", "C++", "100%", "无料", "don't", "low-cost"),
    *("the", "of", "an", "ist", "isan", "smart", "article"),
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    texts = [*CORPUS, " ".join(WORDS), "Art FREE Free for free, café CAFÉ. 无料配送 don\u2019t"] * 6
    tokenizer = train_tokenizer(texts, vocabulary=450, context_tokens=256)
    return Vocabulary(tokenizer, size=len(tokenizer), end_ids=[tokenizer.eos_token_id])


def _encode(vocabulary: Vocabulary, text: str) -> list[int]:
    ids: list[int] = vocabulary.tokenizer.encode(text, add_special_tokens=False)
    return ids


def _refused(vocabulary: Vocabulary, banned: tuple[str, ...], text: str, piece: str) -> bool:
    """Tell whether the piece, as one token, is refused behind the text."""
    (token_id,) = (n for n, known in enumerate(vocabulary.pieces) if known == piece.encode())
    ban = Ban(banned, vocabulary, any_case=True)
    return token_id in ban.tokens(_encode(vocabulary, text))


@pytest.mark.parametrize(
    ("banned", "text", "piece"),
    [
        ("free", "It is fre", "e"),
        ("free", "It is ", "free"),
        ("free", "It is", " free"),
        ("FREE", "It is", " free"),
        ("free", "", "free"),
        ("free", "(", "free"),
        ("for free", "Now for", " free"),
        ("for free", "Now for\n\n", "free"),
        ("for  free", "Now for ", " free"),
        ("café", "Our caf", "é"),
        ("无料", "今日は无", "料"),
        ("don't", "I don", "\u2019t"),
        ("don't", "I don\u2019", "t"),
        ("C++", "In C+", "+"),
        ("100%", "Now 100", "%"),
        ("cost", "low-cos", "t"),
    ],
)
def test_a_token_that_completes_a_phrase_is_refused(
    vocabulary: Vocabulary, banned: str, text: str, piece: str
) -> None:
    pieces = [piece] if piece.encode() in vocabulary.pieces else list(piece)
    text += "".join(pieces[:-1])
    assert _refused(vocabulary, (banned,), text, pieces[-1])


@pytest.mark.parametrize(
    ("banned", "text", "piece"),
    [
        ("art", "sm", "art"),
        ("art", "sma", "r"),
        ("art", "the ", "article"),
        ("for free", "for", " art"),
        ("for free", "fort", " free"),
        ("free", "care", "free"),
        ("100%", "of 100", " "),
    ],
)
def test_a_phrase_inside_a_longer_word_is_none(
    vocabulary: Vocabulary, banned: str, text: str, piece: str
) -> None:
    if piece.encode() not in vocabulary.pieces:
        piece = piece[0]
    assert not _refused(vocabulary, (banned,), text, piece)


def test_case_matters_where_it_is_said_to(vocabulary: Vocabulary) -> None:
    ban = Ban(("Free",), vocabulary, any_case=False)
    refused = {vocabulary.pieces[n] for n in ban.tokens(_encode(vocabulary, "It is Fre"))}
    assert b"e" in refused
    assert b"e" not in {vocabulary.pieces[n] for n in ban.tokens(_encode(vocabulary, "It is fre"))}


def _is_said(text: str, phrase: str) -> bool:
    """Find the phrase the obvious way: at every place, with a look to its left and right."""
    text = re.sub(r"\s+", " ", text.replace("\u2019", "'").casefold())
    phrase = phrase.casefold()

    def parted(left: str, right: str) -> bool:
        return not (left and right and is_word(left) and is_word(right))

    return any(
        text.startswith(phrase, at)
        and parted(text[max(0, at - 1) : at], phrase[0])
        and parted(phrase[-1], text[at + len(phrase) :][:1])
        for at in range(len(text))
    )


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("a", True),
        ("é", True),
        ("7", True),
        ("_", True),
        ("\u0301", True),
        ("-", False),
        (" ", False),
    ]
    + [(letter, False) for letter in "无のกក가"],
)
def test_a_word_is_made_of_letters_digits_and_marks(character: str, expected: bool) -> None:
    assert is_word(character) is expected


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**30),
    st.lists(st.sampled_from([*WORDS, "a", "for free", "e"]), min_size=1, max_size=4),
    st.floats(0.3, 3),
)
def test_no_text_says_a_banned_phrase(
    vocabulary: Vocabulary, seed: int, banned: list[str], eagerness: float
) -> None:
    chance = torch.Generator().manual_seed(seed)
    sampler = Sampler(Sampling(temperature=1.0, seed=seed, banned=tuple(banned)), vocabulary)
    wanted = torch.zeros(vocabulary.size)
    for phrase in (*banned, *(" " + phrase for phrase in banned)):
        wanted[_encode(vocabulary, phrase)] = 3 * eagerness  # the model does want to say it
    answer: list[int] = []
    for _ in range(30):
        logits = wanted + torch.randn(vocabulary.size, generator=chance)
        answer.append(sampler.choose(logits, answer).token_id)
        text = b"".join(vocabulary.pieces[n] for n in answer).decode(errors="ignore")
        assert not any(_is_said(text, phrase) for phrase in banned), repr(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**30), st.sampled_from(["art", "for free", "café", "无料", "C++", "don't"]))
def test_what_is_refused_is_just_what_would_say_it(
    vocabulary: Vocabulary, seed: int, phrase: str
) -> None:
    """Every token is tried: refused if the text with it says the phrase and without it does not."""
    chance = torch.Generator().manual_seed(seed)
    ids = _encode(vocabulary, phrase)
    said = torch.randint(0, vocabulary.size, (6,), generator=chance).tolist()
    answer = [
        *said,
        *_encode(vocabulary, " "),
        *ids[: int(torch.randint(len(ids) + 1, (1,), generator=chance))],
    ]
    shown = b"".join(vocabulary.pieces[n] for n in answer)
    if _is_said(shown.decode(errors="ignore"), phrase):
        return
    refused = set(Ban((phrase,), vocabulary, any_case=True).tokens(answer).tolist())
    for token_id, piece in enumerate(vocabulary.pieces):
        text = (shown + piece).decode(errors="ignore")
        assert (token_id in refused) == _is_said(text, phrase), (text, piece)
