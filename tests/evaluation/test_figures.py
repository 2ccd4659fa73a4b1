"""The figures: each told apart on texts whose figure can be counted by hand."""

import pytest

from inferencecloud.evaluation.figures import (
    Asked,
    CopiedSpans,
    avoid_words_absent,
    bootstrap,
    distinct_n,
    distinct_range,
    fact_keeping,
    facts_kept,
    length_obeyed,
    skeleton_repeats,
    skeletons_of,
)
from inferencecloud.evaluation.limits import Limit


def test_facts_are_kept_by_share_and_another_briefs_name_spoils_all() -> None:
    asked = Asked(facts=("Velora", "brass base"), foreign=("Ondo",))
    assert facts_kept("Velora has a brass base.", asked) == 1.0
    assert facts_kept("Velora has a steel base.", asked) == 0.5
    assert facts_kept("Velora and Ondo have a brass base.", asked) == 0.0
    assert facts_kept("Velora, ondo and a brass base.", asked) == 1.0
    assert facts_kept("Anything", Asked()) == 1.0
    assert fact_keeping(["Velora", "no"], [asked, Asked()]) == 0.5


def test_lengths_and_forbidden_words_are_judged_where_they_were_asked_for() -> None:
    short = Asked(limit=Limit(unit="words", high=2))
    assert length_obeyed(["a b", "a b c", "a b c d"], [short, short, Asked()]) == 0.5
    without = Asked(avoid=("premium",))
    assert (
        avoid_words_absent(["A Premium lamp", "a lamp", "premium"], [without, without, Asked()])
        == 0.5
    )
    assert length_obeyed([], []) == 0.0


def test_twelve_words_in_a_row_are_copied_and_eleven_are_not() -> None:
    trained = "one two three four five six seven eight nine ten eleven twelve thirteen"
    known = CopiedSpans([trained])
    words = trained.split()
    assert known.has_copied("so " + " ".join(words[:12]).upper() + "!")
    assert not known.has_copied(" ".join(words[:11]) + " else")
    assert known.share([trained, "nothing"]) == 0.5


def test_a_skeleton_is_six_function_words_in_a_row_without_content() -> None:
    one = "It is a lamp for you and the cat of the house."
    other = "It is a boat for you and the sea of the north."
    assert ("it", "is", "a", "for", "you", "and") in skeletons_of(one)
    assert skeleton_repeats([one, other, "Nothing shared here."]) == pytest.approx(2 / 3)
    assert skeleton_repeats([one, one[:20]]) == 0.0


def test_distinct_2_falls_with_repetition_and_with_the_size_of_the_sample() -> None:
    assert distinct_n(["a b c"]) == 1.0
    assert distinct_n(["a b", "a b"]) == 0.5
    assert distinct_n([]) == 0.0
    texts = [f"the lamp number {n} is a good lamp" for n in range(60)]
    small, large = (distinct_range(texts, words=words, rounds=20) for words in (30, 300))
    assert large.mean < small.mean
    assert small.low <= small.mean <= small.high


def test_the_bootstrap_brackets_a_weighted_mean_and_is_the_same_every_time() -> None:
    interval = bootstrap([0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 2.0, 1.0])
    assert interval.mean == 0.6
    assert interval.low < 0.6 < interval.high
    assert interval == bootstrap([0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 2.0, 1.0])
    assert bootstrap([2.0] * 9).low == 2.0
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap([])
