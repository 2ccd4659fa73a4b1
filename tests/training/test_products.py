"""The records: read, mended, split by their hash, or refused with the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inferencecloud.training.products import (
    RecordMalformed,
    TrainingDataMissing,
    read_products,
    split_products,
)
from tests.training.records import write_records


def test_records_are_read_and_their_broken_characters_mended(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "p.jsonl", 1, text="A dxE9cor piece by [Brand] that turns 360xB0."
    )
    product = read_products(path)[0]
    assert product.copy["tag"].text == "A décor piece that turns 360°."
    assert product.price == 12.5


def test_the_split_depends_on_the_record_alone(tmp_path: Path) -> None:
    products = read_products(write_records(tmp_path / "p.jsonl", 400))
    train, held_out = split_products(products)
    again_train, again_held_out = split_products(products[::-1])
    assert {p.digest for p in train} == {p.digest for p in again_train}
    assert {p.digest for p in held_out} == {p.digest for p in again_held_out}
    assert 5 <= len(held_out) <= 40
    assert not {p.digest for p in train} & {p.digest for p in held_out}


def test_a_record_that_repeats_a_held_out_text_is_not_trained_on(tmp_path: Path) -> None:
    products = read_products(write_records(tmp_path / "p.jsonl", 400, text="The same for all."))
    train, held_out = split_products(products)
    assert held_out
    assert train == []


def test_missing_data_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataMissing, match=r"no file at .*nowhere\.jsonl.*--data"):
        read_products(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: wanted a product record, got an empty file"),
        ("\n{", "line 2: wanted a product record, got no JSON"),
        (json.dumps({"category": "x"}), "line 1: .* without 'style'"),
        ("[1]", "line 1"),
    ],
)
def test_a_malformed_record_is_named_by_its_line(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(content)
    with pytest.raises(RecordMalformed, match=message):
        read_products(path)
