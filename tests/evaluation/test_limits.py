"""Lengths: counted as a reader counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferencecloud.evaluation.limits import (
    Limit,
    Unit,
    count,
    cut,
    ends,
    ends_with_a_sentence,
    fitting_end,
    has_any,
    has_phrase,
)


@pytest.mark.parametrize(
    ("text", "words", "sentences"),
    [
        ("", 0, 0),
        ("One lamp", 2, 1),
        ("It costs $12.50. It lasts - and lasts!", 7, 2),
        ('"Yes." he said', 3, 2),
        ("Version 2.5 is out. Have a look", 7, 2),
        ("Dr. Jart vs. No. 5, approx. $3. No. Why?", 9, 3),
        ("「いいね。」軽い水筒です。3.5リットル", 1, 3),
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


@pytest.mark.parametrize(
    ("text", "unit", "high", "left"),
    [
        ("One two, three", "words", 2, "One two,"),
        ("One two", "words", 2, "One two"),
        ("It costs $12.50. It lasts. It", "sentences", 1, "It costs $12.50."),
        ("It lasts. It lasts", "sentences", 2, "It lasts. It lasts"),
        ("It costs much", "characters", 8, "It costs"),
        ("It costs much", "characters", 10, "It costs"),
        ("Unbroken", "characters", 3, "Unb"),
        ("軽い。「いい。」水筒", "sentences", 2, "軽い。「いい。」"),
        ("One", "words", 0, ""),
    ],
)
def test_what_is_too_long_is_cut_behind_a_word_or_a_sentence(
    text: str, unit: Unit, high: int, left: str
) -> None:
    assert cut(text, Limit(unit=unit, high=high)) == left


@given(
    st.text(alphabet='ab.! \n"軽。」', max_size=40),
    st.sampled_from(("words", "characters", "sentences")),
    st.integers(0, 6),
)
def test_what_is_cut_is_a_beginning_that_fits(text: str, unit: Unit, high: int) -> None:
    limit = Limit(unit=unit, high=high)
    left = cut(text, limit)
    assert text.startswith(left)
    assert limit.holds(left)
    if limit.holds(text):
        assert left == text


def test_a_sentence_ends_with_its_sign_and_what_closes_behind_it() -> None:
    assert ends_with_a_sentence('He said "yes."')
    assert ends_with_a_sentence("It lasts!\n")
    assert not ends_with_a_sentence("It costs $12.5")
    assert not ends_with_a_sentence("One. Two")
    assert ends_with_a_sentence("「軽い。」")


def test_a_phrase_stands_as_whole_words_in_any_case_and_spacing() -> None:
    assert has_phrase("Made of OILED\n oak.", "oiled oak")
    assert has_phrase("Now $49.50!", "$49.50")
    assert not has_phrase("Now $49.505", "$49.50")
    assert not has_phrase("Velorama", "Velora")
    assert has_phrase("東京タワー", "タワー")
    assert has_phrase("서울에서", "서울")
    assert has_phrase("新しいiPhoneです", "iphone")
    assert not has_phrase("新しいiPhonesです", "iphone")
    assert has_any("a b", ("x", "B"))
    assert not has_any("a b", ())


def test_an_end_is_known_by_what_follows_it() -> None:
    text = '1. It costs $3.50.\n2. "Why?" A line\nNo'
    assert [(text[:end], sentence) for end, sentence in ends(text)] == [
        ("1. It costs $3.50.", True),
        ('1. It costs $3.50.\n2. "Why?"', True),
        ('1. It costs $3.50.\n2. "Why?" A line', False),
    ]
    assert [end for end, _ in ends(text, start=19)] == [28, 35]
    doctor = "By Dr. Jart. Try e.g. No. 5 Prof. No"
    assert [doctor[:end] for end, _ in ends(doctor)] == ["By Dr. Jart."]
    assert list(ends("Try No. ")) == []
    wide = "軽い。「いい。」水筒。"  # more may close behind the last
    assert [wide[:end] for end, _ in ends(wide)] == ["軽い。", "軽い。「いい。」"]


@pytest.mark.parametrize(
    ("text", "limit", "fitting"),
    [
        ("One two. Three four. Five", Limit(unit="words", high=4), "One two. Three four."),
        ("One two. Three four. Five", Limit(unit="words", high=3), "One two."),
        ("One two. Three four. Five", Limit(unit="words", high=7), "One two. Three four."),
        ("One two. Three four five six seven eight", Limit(unit="words", high=7), ""),  # too little
        ("One two. Three four. Five", Limit(unit="words", low=3, high=3), ""),
        ("One two. #three #four #five", Limit(unit="characters", high=20), ""),
        ("A name\nAnother\nA thi", Limit(unit="characters", high=16), "A name\nAnother"),
        ("No end here", Limit(unit="characters", high=5), ""),
        ("軽い水筒。青い水筒", Limit(unit="characters", high=8), "軽い水筒。"),
        ("It ends.", Limit(unit="characters", high=9), ""),  # "It ends.com" may come
    ],
)
def test_the_last_sentence_that_fits(text: str, limit: Limit, fitting: str) -> None:
    assert text[: fitting_end(text, limit)] == fitting
