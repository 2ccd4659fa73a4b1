"""Real copy: briefs are made of the text that they belong to, under names that nobody has."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from inferencecloud.evaluation.limits import has_any, has_phrase
from inferencecloud.training.corpus import read_corpus, texts_of
from inferencecloud.training.generator.articles import post_exercise, proper_names
from inferencecloud.training.generator.extract import (
    find_details,
    find_numbers,
    find_purpose,
    split_sentences,
)
from inferencecloud.training.generator.mix import Sources
from inferencecloud.training.generator.recipe import FIRST, SECOND
from inferencecloud.training.generator.records import product_exercise
from inferencecloud.training.generator.swaps import Swaps, choose_swaps, choose_synonyms, put_name
from inferencecloud.training.posts import read_posts, split_posts
from inferencecloud.training.products import RecordMalformed, TrainingDataMissing
from tests.training.records import write_posts, write_records

DATA = Path(__file__).parents[4] / "shared" / "data" / "copy"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder / "products.jsonl", 40)
    write_posts(folder / "posts.jsonl.gz", 30)
    return read_corpus(folder).train


def test_facts_stand_in_prompt_and_answer_lengths_hold_and_words_are_absent(
    sources: Sources,
) -> None:
    rng = random.Random(1)
    for _ in range(400):
        exercise = product_exercise(rng, rng.choice(sources.products))
        for fact in exercise.facts:
            assert has_phrase(exercise.prompt, fact), (fact, exercise)
            assert has_phrase(exercise.completion, fact), (fact, exercise)
        assert exercise.limit is None or exercise.limit.holds(exercise.completion)
        assert not has_any(exercise.completion, exercise.avoid)
        assert exercise.kind != "x" or len(exercise.completion) <= 280


def test_every_description_names_the_made_up_name_and_never_the_records_price(
    sources: Sources,
) -> None:
    rng = random.Random(2)
    for kind in ("short", "medium", "long", "email"):
        for product in sources.products[:10]:
            exercise = product_exercise(rng, product, kind)
            assert exercise.facts, exercise
            assert exercise.source == product.digest
            assert "$12.50" not in exercise.completion or "$12.50" in exercise.prompt
    assert {product_exercise(rng, p).kind for p in sources.products * 12} == set(
        FIRST.product_kinds
    )


def test_posts_become_exercises_whose_facts_are_in_the_brief(sources: Sources) -> None:
    rng = random.Random(3)
    made = [post_exercise(rng, rng.choice(sources.posts)) for _ in range(200)]
    real = [exercise for exercise in made if exercise]
    assert len(real) > 100
    for exercise in real:
        assert all(has_phrase(exercise.prompt, fact) for fact in exercise.facts), exercise


def test_phases_go_from_made_up_to_real(sources: Sources) -> None:
    first, last = (
        sum(e.source != "invented" for e in sources.exercises(random.Random(4), 300, done=done))
        for done in (0.0, 1.0)
    )
    assert first < last
    for shares in (*FIRST.phases, *SECOND.phases):
        pairs = shares.contrast + shares.avoidance
        assert 0.2 < pairs / 2 + shares.products + shares.posts < 0.8  # the rest is invented
    only = Sources(products=(), posts=()).exercises(random.Random(1), 20, done=0.5)
    assert {exercise.source for exercise in only} == {"invented"}
    bare = Sources(products=sources.products, instructed=False).exercises(
        random.Random(1), 5, done=0
    )
    assert all(exercise.messages == () for exercise in bare)


def test_held_out_records_never_come_up(tmp_path: Path) -> None:
    write_records(tmp_path / "products.jsonl", 60)
    write_posts(tmp_path / "posts.jsonl.gz", 40)
    corpus = read_corpus(tmp_path)
    secret = {record.digest for record in (*corpus.held_out.products, *corpus.held_out.posts)}
    assert len(secret) == 10
    exercises = corpus.train.exercises(random.Random(5), 500, done=1.0)
    assert not secret & {exercise.source for exercise in exercises}
    assert len(texts_of(corpus.train)) > 100


def test_the_real_data_holds_out_150_products_and_100_posts() -> None:
    if not DATA.is_dir():
        pytest.skip(f"the records are not at {DATA}")
    corpus = read_corpus(DATA.parent)
    assert (len(corpus.held_out.products), len(corpus.held_out.posts)) == (150, 100)
    texts = set(texts_of(corpus.train))
    for product in corpus.held_out.products:
        assert not texts & {copy.text for key, copy in product.copy.items() if key != "tag"}


def test_a_corpus_without_posts_or_products_says_where_they_come_from(tmp_path: Path) -> None:
    write_records(tmp_path / "products.jsonl", 3)
    with pytest.raises(TrainingDataMissing, match=r"GSA/digitalgov\.gov.*posts\.jsonl\.gz.*--data"):
        read_corpus(tmp_path)
    assert len(read_corpus(tmp_path / "products.jsonl").train.products) == 3
    with pytest.raises(TrainingDataMissing):
        read_posts(tmp_path / "none.gz")


def test_a_malformed_post_is_named_by_its_line(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "p.gz", "wt") as file:
        file.write(json.dumps({"title": "x"}) + "\n")
    with pytest.raises(RecordMalformed, match="line 1: wanted a product record, got no post"):
        read_posts(tmp_path / "p.gz")


def test_posts_are_read_without_markup_and_split_by_hash(tmp_path: Path) -> None:
    body = (
        "We met **the team** of [Design](http://x.gov) and _talked_ about what comes next for all of us. "
        * 2
    )
    write_posts(tmp_path / "p.gz", 20, body=f"# Title\n\n{body}\n\n* a list\n* of things")
    posts = read_posts(tmp_path / "p.gz")
    assert posts[0].paragraphs[0].startswith("We met the team of Design and talked about")
    assert len(posts[0].paragraphs) == 1
    train, held_out = split_posts(posts)
    assert len(held_out) == 2
    assert train == []  # all repeat the held-out text


def test_details_purposes_and_numbers_are_words_of_the_text() -> None:
    rng = random.Random(1)
    text = (
        "A brass lamp features a weighted iron base. Perfect for reading in bed, it has 3 settings."
    )
    details = find_details(rng, text, 5)
    assert details
    assert all(detail.lower() in text.lower() for detail in details)
    assert find_purpose(rng, text) == "reading in bed"
    assert find_purpose(rng, "A lamp.") is None
    assert find_numbers("It has 3 settings, costs $12.50 and saves 40% or 5-year") == [
        "3 settings",
        "$12.50",
        "40%",
        "5-year",
    ]
    assert split_sentences("It is $2.50. Buy it! Now") == ["It is $2.50.", "Buy it!", "Now"]


def test_swaps_change_whole_words_keep_capitals_and_mend_articles() -> None:
    swaps = Swaps(words={"brown": "olive"})
    assert (
        swaps.apply("A brown boot, Brown laces, brownish") == "An olive boot, Olive laces, brownish"
    )
    assert Swaps().apply("brown") == "brown"
    assert set(choose_swaps(random.Random(1), "a brown leather bag").words) <= {"brown", "leather"}
    assert choose_synonyms(random.Random(1), "A perfect lamp", 2) == {"perfect": "right"}


def test_a_name_is_put_where_the_product_is_spoken_of_or_before_all() -> None:
    rng = random.Random(1)
    assert put_name(rng, "Our rattan basket stands.", base="Rattan Basket", brand="Velora") == (
        "Our Velora Rattan Basket stands."
    )
    assert put_name(rng, "A lamp and an lamp.", base="Lamp", brand="Orla").startswith(
        "An Orla Lamp"
    )
    nowhere = put_name(rng, "It stands.", base="Rattan Basket", brand="Velora")
    assert "Velora Rattan Basket" in nowhere
    assert nowhere.endswith("It stands.")


def test_proper_names_are_found_inside_sentences() -> None:
    assert proper_names("The team met the Bureau of Labor Statistics in May.") == [
        "Bureau of Labor Statistics"
    ]
