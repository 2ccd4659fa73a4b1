"""What is made up: every fact of a brief stands in its answer, and no two briefs are alike."""

from __future__ import annotations

import difflib
import random
from collections import Counter

import pytest

from inferencecloud.evaluation.figures import distinct_n, skeleton_repeats
from inferencecloud.evaluation.limits import count, has_any, has_phrase
from inferencecloud.training.generator import phrases
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.grammar import capitalise, expand, fill, fix_articles
from inferencecloud.training.generator.ideas import name_ideas
from inferencecloud.training.generator.invented import KINDS, contrast_pair, invented_exercise
from inferencecloud.training.generator.subjects import Fact, Subject, invent_subject
from inferencecloud.training.generator.writing import NothingToSay, Pen, write_text

MANY = 1200


@pytest.fixture(scope="module")
def exercises() -> list[Exercise]:
    rng = random.Random("tests")
    return [invented_exercise(rng) for _ in range(MANY)]


def test_every_fact_that_an_answer_is_held_to_stands_in_prompt_and_answer(
    exercises: list[Exercise],
) -> None:
    for exercise in exercises:
        for fact in exercise.facts:
            assert has_phrase(exercise.prompt, fact), (fact, exercise)
            assert has_phrase(exercise.completion, fact), (fact, exercise)


def test_descriptions_tell_all_of_the_brief(exercises: list[Exercise]) -> None:
    rng = random.Random(5)
    for _ in range(200):
        subject = invent_subject(rng, facts=rng.randint(0, 8))
        try:
            said = write_text(Pen(rng=rng, subject=subject), sentences=rng.randint(1, 6))
        except NothingToSay:
            continue
        text = " ".join(sentence.text for sentence in said)
        assert subject.name in text
        assert all(has_phrase(text, fact.value) for fact in subject.facts), (subject, text)
    assert {exercise.kind for exercise in exercises} == set(KINDS)


def test_lengths_hold_and_forbidden_words_are_absent(exercises: list[Exercise]) -> None:
    limited = [exercise for exercise in exercises if exercise.limit]
    forbidding = [exercise for exercise in exercises if exercise.avoid]
    assert len(limited) > MANY / 5
    assert len(forbidding) > MANY / 5
    assert all(exercise.limit and exercise.limit.holds(exercise.completion) for exercise in limited)
    assert not any(has_any(exercise.completion, exercise.avoid) for exercise in forbidding)
    assert {exercise.limit.unit for exercise in limited if exercise.limit} == {
        "words",
        "characters",
        "sentences",
    }


def test_no_answer_has_a_number_that_its_prompt_lacks(exercises: list[Exercise]) -> None:
    for exercise in exercises:
        if exercise.kind == "names":
            continue
        words = exercise.completion.replace("\n", " ").split(" ")
        numbers = {
            word.strip(".,;:!?") for word in words if any(map(str.isdigit, word)) and word[0] != "#"
        }
        assert all(number in exercise.prompt for number in numbers), (numbers, exercise)


def test_channels_keep_their_form(exercises: list[Exercise]) -> None:
    by_kind = {kind: [e.completion for e in exercises if e.kind == kind] for kind in KINDS}
    assert all(len(text) <= 280 for text in by_kind["x"])
    assert all(text.startswith("Subject: ") and "\n\n" in text for text in by_kind["email"])
    assert all("\n\n" not in text for text in by_kind["press"])
    assert all(text.count("\n\n") >= 2 for text in by_kind["linkedin"])
    assert all(count(text, "sentences") <= 3 and "\n" not in text for text in by_kind["tag"])
    assert all(text.count("\n") >= 2 for text in by_kind["names"])


def test_a_rewriting_has_a_source_with_the_forbidden_word(exercises: list[Exercise]) -> None:
    rewritings = [exercise for exercise in exercises if exercise.kind == "rewrite"]
    assert rewritings
    for exercise in rewritings:
        assert all(has_any(exercise.prompt, (word,)) for word in exercise.avoid)
        assert exercise.avoid


def test_a_summary_is_shorter_and_an_expansion_longer_than_the_text(
    exercises: list[Exercise],
) -> None:
    for exercise in exercises:
        if exercise.kind == "shorten":
            assert len(exercise.completion) < len(exercise.messages[-1][1])


def test_contrast_pairs_differ_in_one_place_of_brief_and_answer() -> None:
    rng = random.Random(2)
    for _ in range(60):
        one, other = contrast_pair(rng)
        assert one.messages[:-1] == other.messages[:-1]
        changed = {fact for fact in one.facts if fact not in other.facts}
        assert len(changed) <= 1
        for before, after in ((one.prompt, other.prompt), (one.completion, other.completion)):
            likeness = difflib.SequenceMatcher(None, before.split(), after.split(), autojunk=False)
            assert before != after
            assert likeness.ratio() > 0.3


def test_names_are_so_many_that_nobody_learns_them_by_heart() -> None:
    rng = random.Random(1)
    subjects = [invent_subject(rng, facts=3) for _ in range(3000)]
    words = Counter(subject.name.split()[0] for subject in subjects)
    assert len(words) > 1500
    features = [f.value for s in subjects for f in s.facts if f.kind == "feature"]
    assert len(set(features)) > 0.6 * len(features)


def test_targets_are_varied(exercises: list[Exercise]) -> None:
    texts = [exercise.completion for exercise in exercises if exercise.kind in ("short", "medium")][
        :150
    ]
    assert distinct_n(texts) > 0.6
    assert skeleton_repeats(texts) < 0.6
    assert len({exercise.completion for exercise in exercises}) > 0.97 * MANY


def test_the_same_chance_makes_the_same_exercise() -> None:
    made = [invented_exercise(random.Random(seed)) for seed in (3, 3, 4)]
    assert made[0] == made[1] != made[2]


def test_a_pen_says_when_no_sentence_fits() -> None:
    fact = Fact(kind="nothing", label="x", value="y", phrase="y")
    subject = Subject(name="Orla", noun="lamp", trade="", company="Velora", facts=(fact,))
    pen = Pen(rng=random.Random(1), subject=subject)
    with pytest.raises(NothingToSay, match=r"No sentence fits 'Orla' with the facts \['nothing'\]"):
        pen.tell_all(sentences=2)
    with pytest.raises(NothingToSay):
        pen.must_say(("{price}",))
    assert pen.say(("{company}",)) is None


def test_patterns_are_expanded_filled_and_their_articles_mended() -> None:
    assert {expand(random.Random(seed), "a[ b| [c|d]]") for seed in range(40)} == {
        "a b",
        "a c",
        "a d",
    }
    assert fill("It has  a {x} , too.", {"x": "oak leg"}) == "It has an oak leg, too."
    assert fix_articles("an lamp, a hour, a 8-year, an unique, A umbrella") == (
        "a lamp, an hour, an 8-year, a unique, A umbrella"
    )
    assert (
        fix_articles("A oak. A ash: Q&A and vitamin A oil")
        == "An oak. An ash: Q&A and vitamin A oil"
    )
    assert capitalise("one. two? three") == "One. Two? Three"
    with pytest.raises(KeyError):
        fill("{x}", {})


def test_there_are_thousands_of_sentence_skeletons() -> None:
    rng = random.Random(1)
    pools = (phrases.OPENINGS, phrases.BODIES, phrases.CLOSINGS)
    seen = {expand(rng, rng.choice(pool)) for pool in pools for _ in range(3000)}
    assert len(seen) > 500


def test_name_ideas_grow_out_of_the_brief_and_differ() -> None:
    ideas = name_ideas(random.Random(3), ["cork sole", "ankle boot"], 5)
    assert len(set(ideas)) == 5
    assert all(4 <= len(idea) <= 20 for idea in ideas)
    assert len(name_ideas(random.Random(3), [], 3)) == 3
