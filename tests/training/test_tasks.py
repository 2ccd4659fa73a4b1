"""Exercises: what the answer states, the brief has told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from inferencecloud.training.briefs import Brief, find_details, find_purpose, render_brief
from inferencecloud.training.invent import (
    Swaps,
    choose_swaps,
    invent_facts,
    invent_price,
    invent_word,
    put_facts,
    put_name,
    put_price,
)
from inferencecloud.training.products import Product, read_products
from inferencecloud.training.tasks import make_exercise
from tests.training.records import write_records


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return read_products(write_records(tmp_path / "p.jsonl", 1))[0]


def test_the_same_chance_makes_the_same_exercise(product: Product) -> None:
    assert make_exercise(random.Random(3), product) == make_exercise(random.Random(3), product)
    assert len({make_exercise(random.Random(n), product) for n in range(40)}) == 40


def test_prices_in_an_answer_stand_in_its_prompt_when_they_were_put_there(product: Product) -> None:
    for seed in range(300):
        exercise = make_exercise(random.Random(seed), product)
        prompt = exercise.messages[-1][1]
        if "Mention the price" in prompt:
            price = next(word for word in prompt.replace("\n", " ").split() if word.startswith("$"))
            assert price.strip(".,;|") in exercise.completion


def test_an_exercise_ends_with_the_user_and_has_an_answer(product: Product) -> None:
    for seed in range(200):
        exercise = make_exercise(random.Random(seed), product)
        assert exercise.messages[-1][0] == "user"
        assert exercise.completion.strip()
        assert {role for role, _ in exercise.messages} <= {"system", "user"}


def test_without_invention_the_record_keeps_its_name(product: Product) -> None:
    for seed in range(50):
        exercise = make_exercise(random.Random(seed), product, invent=False)
        assert "leather" in exercise.completion or "Brown" in exercise.completion


def test_details_are_phrases_of_the_text() -> None:
    text = "This sleek brass lamp features a weighted base. Perfect for reading in bed, it dims."
    details = find_details(random.Random(1), text, 5)
    assert details
    assert all(detail.lower() in text.lower() for detail in details)


def test_the_purpose_is_what_follows_perfect_for() -> None:
    rng = random.Random(1)
    assert find_purpose(rng, "Perfect for reading in bed, it dims.") == "reading in bed"
    assert find_purpose(rng, "A lamp.") is None


def test_every_form_of_brief_names_the_product() -> None:
    brief = Brief(
        name="Orla Lamp",
        category="homedecor",
        style="lighting",
        price="49",
        details=("brass base", "dims"),
        purpose="reading",
    )
    texts = {render_brief(random.Random(seed), brief) for seed in range(200)}
    assert len(texts) > 150
    assert all("orla lamp" in text.lower() for text in texts)
    bare = Brief(name="Orla Lamp", category="a", style="b", price="1", details=(), purpose=None)
    assert all("Orla Lamp" in render_brief(random.Random(seed), bare) for seed in range(50))


@pytest.mark.parametrize("seed", range(30))
def test_a_name_is_put_where_the_product_is_spoken_of(seed: int) -> None:
    rng = random.Random(seed)
    named = put_name(rng, "This rattan basket stands.", base="Rattan Basket", brand="Velora")
    assert "Velora" in named
    nowhere = put_name(rng, "It stands.", base="Rattan Basket", brand="Velora")
    assert "Velora Rattan Basket" in nowhere
    assert nowhere.endswith("It stands.")


def test_an_article_never_gets_a_name_that_it_does_not_fit() -> None:
    for seed in range(60):
        assert "a Orla" not in put_name(
            random.Random(seed), "It is a lamp.", base="Lamp", brand="Orla"
        )
        assert "an Velo" not in put_name(
            random.Random(seed), "It is an axe.", base="Axe", brand="Velo"
        )


def test_swaps_change_every_text_alike_and_keep_capitals_and_articles() -> None:
    swaps = Swaps(words={"brown": "green"})
    assert swaps.apply("Brown boots, brown laces, brownish") == "Green boots, green laces, brownish"
    assert Swaps().apply("brown") == "brown"
    for seed in range(40):
        for old, new in choose_swaps(
            random.Random(seed), "an orange and brown leather bag"
        ).words.items():
            assert (old[0] in "aeiou") == (new[0] in "aeiou")


def test_invented_facts_are_told_in_brief_and_copy_alike() -> None:
    for seed in range(60):
        rng = random.Random(seed)
        fact = invent_facts(rng, 1)[0]
        text = put_facts(rng, "A lamp. It shines", [fact])
        assert fact.sentence in text
        told = {word.strip("%.,") for word in fact.brief.split() if any(c.isdigit() for c in word)}
        assert all(number.split("-")[0] in fact.sentence for number in told)


def test_invented_words_are_many_and_prices_near() -> None:
    rng = random.Random(1)
    assert len({invent_word(rng) for _ in range(500)}) > 300
    assert all(4 <= float(invent_price(rng, 10.0)) <= 26 for _ in range(100))
    assert "$9.99" in put_price(rng, "A lamp.", "9.99")


def test_an_announcement_says_nothing_that_the_brief_does_not(product: Product) -> None:
    seen = 0
    for seed in range(600):
        exercise = make_exercise(random.Random(seed), product)
        prompt = exercise.messages[-1][1]
        if "announcement" in prompt:
            seen += 1
            numbers = {word.strip("$.,%") for word in exercise.completion.split() if "$" in word}
            assert all(number in prompt for number in numbers)
            assert "leather" not in exercise.completion or "leather" in prompt
    assert seen > 10
