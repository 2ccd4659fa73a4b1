"""What is an example and what is not: every threshold from both sides, every class of edit."""

import dataclasses
from collections import Counter

import pytest

from apps.learning import rules
from apps.learning.edit_classes import EditClass, edit_class, new_facts
from apps.learning.rules import (
    ChatMessage,
    Kind,
    LeftOut,
    Said,
    Settled,
    Written,
    dedupe_key,
    examples_of,
    folded,
    groups_of,
    pair_of,
    split_of,
    strongest,
)
from apps.learning.services.records import STRENGTH

PROMPT = (ChatMessage(role="user", content="Write about Finch One, 49 euro, from 12 May."),)
DRAFT = "Finch One makes coffee slowly. It costs 49 euro and is made of steel. Utilize it daily."
FINAL = "Finch One makes coffee slowly. It costs 49 euro and is made of steel. Enjoy it every day."
WRITTEN = Written(id="1", prompt=PROMPT, text=DRAFT, finish_reason="stop")


def settled(distance: float, final: str = FINAL, settle: str = "released") -> Settled:
    return Settled(settle=settle, final_text=final, distance=distance)


def kinds(found, *, of=WRITTEN, said=None):
    examples, _reason = examples_of(of, found, said or Said())
    return [(one.kind, one.label) for one in examples]


SFT, DPO = (Kind.SFT, None), (Kind.DPO, None)
GOOD, BAD = (Kind.KTO, True), (Kind.KTO, False)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0.0, [SFT, GOOD]),
        (0.02, [SFT, GOOD]),
        (0.021, [SFT]),
        (0.049, [SFT]),
        (0.05, [SFT, DPO]),
        (0.60, [SFT, DPO]),
        (0.61, [BAD]),
        (1.0, [BAD]),
    ],
)
def test_the_distance_decides_what_an_edit_teaches(distance, expected) -> None:
    assert kinds(settled(distance)) == expected


@pytest.mark.parametrize(
    ("settle", "expected"),
    [
        ("approved", [SFT, GOOD]),
        ("published", [SFT, GOOD]),
        ("released", [SFT, GOOD]),
        ("downloaded", [GOOD]),
        ("idle", []),
    ],
)
def test_an_untouched_text_is_good_when_somebody_put_their_name_to_it(settle, expected) -> None:
    assert kinds(settled(0.0, DRAFT, settle)) == expected


def test_taking_an_untouched_text_along_says_half_as_much() -> None:
    [example], _ = examples_of(WRITTEN, settled(0.0, DRAFT, "downloaded"), Said())
    assert (example.label, example.weight) == (True, rules.WEAK)


def test_an_untouched_text_is_taught_as_the_model_wrote_it() -> None:
    examples, _ = examples_of(WRITTEN, settled(0.01), Said())
    assert {one.chosen for one in examples} == {DRAFT}


def test_a_pair_has_one_prompt_and_two_texts() -> None:
    [sft, pair], _ = examples_of(WRITTEN, settled(0.2), Said())
    assert (pair.chosen, pair.rejected, pair.prompt) == (FINAL, DRAFT, PROMPT)
    assert (sft.chosen, sft.rejected) == (FINAL, "")
    assert pair.edit_class is EditClass.TERM


def test_an_edited_fact_teaches_neither_pair_nor_imitation() -> None:
    final = FINAL.replace("49", "59")
    for distance in (0.03, 0.2):
        assert examples_of(WRITTEN, settled(distance, final), Said()) == ([], LeftOut.FACT)


def test_an_edited_fact_does_not_excuse_a_thumb_down() -> None:
    final = FINAL.replace("49", "59")
    assert kinds(settled(0.2, final), said=Said(thumbs_down=True)) == [BAD]


def test_equal_texts_are_no_pair_whatever_the_distance_says() -> None:
    assert kinds(settled(0.2, DRAFT.replace(" ", "  "))) == [SFT]


def test_a_text_that_was_thrown_away_is_not_good() -> None:
    examples, reason = examples_of(WRITTEN, settled(1.0, " "), Said())
    assert [one.label for one in examples] == [False]
    assert reason is LeftOut.EMPTY


@pytest.mark.parametrize("settle", [None, settled(0.01), settled(0.3), settled(0.9)])
@pytest.mark.parametrize(
    ("change", "reason"),
    [({"finish_reason": "length"}, LeftOut.CUT_OFF), ({"text": " \n"}, LeftOut.EMPTY)],
)
def test_what_is_cut_off_or_empty_teaches_nothing(settle, change, reason) -> None:
    written = dataclasses.replace(WRITTEN, **change)
    said = Said(thumbs_down=True, regenerated=True)
    assert examples_of(written, settle, said) == ([], reason)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Said(), []),
        (Said(thumbs_down=True), [(False, 1.0)]),
        (Said(regenerated=True), [(False, 0.5)]),
        (Said(regenerated=True, adopted=True), []),
        (Said(thumbs_down=True, regenerated=True, adopted=True), [(False, 1.0)]),
    ],
)
def test_what_people_say_of_a_text_that_never_settled(said, expected) -> None:
    examples, reason = examples_of(WRITTEN, None, said)
    assert [(one.label, one.weight) for one in examples] == expected
    assert reason is None


def test_good_for_one_and_bad_for_another_teaches_nothing() -> None:
    found = examples_of(WRITTEN, settled(0.0, DRAFT), Said(thumbs_down=True))
    assert found == ([], LeftOut.CONTRADICTION)


def test_bad_is_said_once() -> None:
    assert kinds(settled(0.9), said=Said(thumbs_down=True)) == [BAD]


def test_a_thumb_down_and_an_edit_agree() -> None:
    assert kinds(settled(0.3), said=Said(thumbs_down=True)) == [SFT, DPO, BAD]


def test_the_text_that_was_taken_is_better_than_the_one_left() -> None:
    other = dataclasses.replace(WRITTEN, id="2", text="Slow coffee.")
    [pair], reason = pair_of(WRITTEN, other)
    assert (pair.kind, pair.chosen, pair.rejected) == (Kind.DPO, DRAFT, "Slow coffee.")
    assert (pair.edit_class, reason) == (None, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": (ChatMessage(role="user", content="Another"),)}, LeftOut.OTHER_PROMPT),
        ({"text": f" {DRAFT}\n"}, LeftOut.SAME_TEXT),
        ({"finish_reason": "length"}, LeftOut.CUT_OFF),
        ({"text": ""}, LeftOut.EMPTY),
    ],
)
def test_two_texts_that_cannot_be_compared_are_no_pair(change, reason) -> None:
    assert pair_of(WRITTEN, dataclasses.replace(WRITTEN, id="2", **change)) == ([], reason)


def test_the_strongest_settling_counts() -> None:
    assert strongest(["idle", "released", "downloaded"]) == "released"
    assert list(rules.SETTLE_ORDER) == [str(one) for one in STRENGTH]


# --- duplicates, splits ------------------------------------------------------------------------------


def test_composed_and_spaced_otherwise_is_the_same_text() -> None:
    assert folded("Cafe\u0301  au\nlait ") == folded("Caf\u00e9 au lait")


def test_duplicates_are_told_by_prompt_and_texts() -> None:
    [sft, good], _ = examples_of(WRITTEN, settled(0.0, DRAFT), Said())
    spaced = dataclasses.replace(sft, chosen=sft.chosen.replace(" ", "\n"), output="9")
    other = dataclasses.replace(sft, chosen="Else")
    found = list(rules.without_duplicates([sft, spaced, other, good, good], set()))
    assert found == [sft, None, other, good, None]
    assert len({dedupe_key(one) for one in (sft, other, good)}) == 3


def test_pairs_with_different_texts_left_are_not_duplicates() -> None:
    one, _ = pair_of(WRITTEN, dataclasses.replace(WRITTEN, text="A"))
    other, _ = pair_of(WRITTEN, dataclasses.replace(WRITTEN, text="B"))
    assert dedupe_key(one[0]) != dedupe_key(other[0])


def test_splits_are_dealt_as_promised_and_stay() -> None:
    dealt = Counter(split_of(str(number)) for number in range(20_000))
    assert {name: round(count / 20_000, 2) for name, count in dealt.items()} == rules.SPLIT_SHARES
    assert split_of("a") == split_of("a")


def test_notebooks_that_know_each_other_are_one_group() -> None:
    groups = groups_of([("b", "a"), ("c", "b"), ("x", "x"), ("e", "d"), ("c", "d")])
    assert {groups[one] for one in "abcde"} == {"a"}
    assert groups["x"] == "x"


# --- classes of edits --------------------------------------------------------------------------------

KNOWN = PROMPT[0].content
CLASSES = {
    EditClass.NONE: [DRAFT],
    EditClass.FACT: [
        DRAFT.replace("49", "59"),
        DRAFT.replace("steel", "steel from Sweden"),
        DRAFT.replace("slowly", "slowly, since 1998"),
        DRAFT.replace("daily", "daily until Friday"),
    ],
    EditClass.LEGAL: [
        DRAFT.replace("Finch One", "Finch One®"),
        f"{DRAFT} While stocks last.",
        f"{DRAFT} Terms and conditions apply.",
    ],
    EditClass.STRUCTURE: [
        "It costs 49 euro and is made of steel. Finch One makes coffee slowly. Utilize it daily.",
        DRAFT.replace(". ", ".\n\n"),
        "- " + DRAFT.replace(". ", ".\n- "),
    ],
    EditClass.LENGTH: [
        "Finch One makes coffee slowly.",
        f"{DRAFT} Press, wait, breathe, and then pour a cup that you will think about all day long.",
    ],
    EditClass.TERM: [
        DRAFT.replace("Utilize", "Use"),
        DRAFT.replace("coffee", "espresso").replace("Utilize", "Use"),
    ],
    EditClass.STYLE: [
        "With Finch One, coffee takes its time. Solid steel, honest price: 49 euro. Use it at dawn.",
        DRAFT.replace("slowly.", "slowly!"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "after"), [(kind, text) for kind, texts in CLASSES.items() for text in texts]
)
def test_edits_have_a_class(kind, after) -> None:
    assert edit_class(DRAFT, after, known=KNOWN) is kind


def test_what_the_prompt_said_is_no_new_fact() -> None:
    after = DRAFT.replace("slowly", "slowly, from 12 May")
    assert new_facts(DRAFT, after, known=KNOWN) == set()
    assert new_facts(DRAFT, after) == {"12", "May"}


def test_a_possessive_and_the_start_of_a_sentence_are_no_names() -> None:
    after = "Steel! Finch One\u2019s coffee is slow. Nobody minds."
    assert new_facts(DRAFT, after, known=KNOWN) == set()
