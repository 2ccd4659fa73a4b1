"""A word diff tells both texts, whole."""

from hypothesis import given
from hypothesis import strategies as st

from apps.core.words import WORD_LIMIT, word_diff


def joined(pieces, without):
    return "".join(text for kind, text in pieces if kind != without)


def test_a_changed_word_is_shown_between_what_stayed():
    assert word_diff("Oats, honestly good", "Oats, simply good") == [
        ("same", "Oats, "),
        ("gone", "honestly"),
        ("new", "simply"),
        ("same", " good"),
    ]


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_give_both_texts_back(before, after):
    pieces = word_diff(before, after)
    assert joined(pieces, "new") == before
    assert joined(pieces, "gone") == after


def test_very_long_texts_are_shown_whole_beside_each_other():
    long = "word " * WORD_LIMIT
    assert word_diff(long, "new") == [("gone", long), ("new", "new")]
    assert word_diff("", long) == [("new", long)]
