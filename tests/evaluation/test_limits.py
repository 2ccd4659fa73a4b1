"""Lengths: counted as a reader counts them."""

import pytest

from inferencecloud.evaluation.limits import Limit, count, has_any, has_phrase


@pytest.mark.parametrize(
    ("text", "words", "sentences"),
    [
        ("", 0, 0),
        ("One lamp", 2, 1),
        ("It costs $12.50. It lasts - and lasts!", 7, 2),
        ('"Yes." he said', 3, 2),
        ("Version 2.5 is out. Have a look", 7, 2),
    ],
)
def test_words_and_sentences_are_counted(text: str, words: int, sentences: int) -> None:
    assert count(text, "words") == words
    assert count(text, "sentences") == sentences
    assert count(text, "characters") == len(text)


def test_a_limit_holds_between_its_bounds() -> None:
    limit = Limit(unit="words", low=2, high=3)
    assert [limit.holds(text) for text in ("a", "a b", "a b c", "a b c d")] == [
        False,
        True,
        True,
        False,
    ]
    with pytest.raises(ValueError, match="wanted 0 <= low <= high, got 4 and 3"):
        Limit(unit="words", low=4, high=3)


def test_a_phrase_stands_as_whole_words_in_any_case_and_spacing() -> None:
    assert has_phrase("Made of OILED\n oak.", "oiled oak")
    assert has_phrase("Now $49.50!", "$49.50")
    assert not has_phrase("Now $49.505", "$49.50")
    assert not has_phrase("Velorama", "Velora")
    assert has_any("a b", ("x", "B"))
    assert not has_any("a b", ())
