"""The distance is Levenshtein's, whatever the letters and however long the texts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.learning.distance import levenshtein, normalised


def by_the_book(one: str, other: str) -> int:
    """Wagner and Fischer's table, two rows of it."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        above, row = row, [place]
        for at, wanted in enumerate(other, 1):
            row.append(min(above[at] + 1, row[at - 1] + 1, above[at - 1] + (letter != wanted)))
    return row[-1]


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("saturday", "sunday", 3),
        ("intention", "execution", 5),
        ("Größe", "Grösse", 2),
        ("e\u0301", "é", 2),  # two characters, one character
        ("👩‍🍳 cooks", "👨‍🍳 cooks", 1),
        ("same", "same", 0),
        ("ab" * 40, "ba" * 40, 2),
    ],
)
def test_known_distances(one: str, other: str, distance: int) -> None:
    assert levenshtein(one, other) == distance
    assert levenshtein(other, one) == distance


letters = st.text(alphabet="abcé😀 \n", max_size=80)


@given(letters, letters)
def test_it_is_what_the_table_says(one: str, other: str) -> None:
    assert levenshtein(one, other) == by_the_book(one, other)


def test_the_share_is_of_the_longer_text() -> None:
    assert normalised("abcd", "abcd") == 0
    assert normalised("", "") == 0
    assert normalised("abcd", "") == 1
    assert normalised("abcd", "wxyz") == 1
    assert normalised("abcd", "abcdef") == pytest.approx(2 / 6)


def test_long_texts_take_no_long_time() -> None:
    one, other = "The quick brown fox. " * 500, "A slow red hen! " * 600
    began = time.perf_counter()
    assert 0 < levenshtein(one, other) <= len(one)
    assert time.perf_counter() - began < 5
