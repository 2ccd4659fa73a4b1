"""Read the product records that the starter model learns from.

Each record is a product with its copy at several lengths, and every length bears a name of its own: the
tag line of one record speaks of "Brown Boots", its head paragraph of "Vintage Explorer Leather Boot".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

LENGTHS = ("tag", "short", "mid", "head", "long")
HELD_OUT = 150  # records, or a tenth where there are few

# Some records carry Latin-1 characters as a bare "xE9" ("decor" with an accent, degrees).
_BROKEN_CHARACTER = re.compile(r"(?<=[a-z0-9])x([BCDEF][0-9A-F])")
_BLANK_BRAND = re.compile(r" (?:by|from) \[Brand(?: Name)?\]|\[Brand(?: Name)?\] ?")
_ODD_SPACES = re.compile(r"\s+")


class TrainingDataMissing(FileNotFoundError):
    """The file with the product records is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The starter is trained on product records (products.jsonl, MIT-0, made from "
            f"github.com/aws-samples/retail-demo-store) and posts (posts.jsonl.gz, CC0, from "
            f"github.com/GSA/digitalgov.gov), but there is no file at {path}. Give their folder with --data."
        )


class RecordMalformed(ValueError):
    """A line of the data is not a product record."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}, line {line}: wanted a product record, got {problem}.")


class Hashed(Protocol):
    """Anything that knows its sha256."""

    @property
    def digest(self) -> str:
        """Return the sha256 of the record as it stands in its file."""


Record = TypeVar("Record", bound=Hashed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The name and the text that one length of a record has."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One record: what the thing is, what it costs, and its copy by length."""

    digest: str  # sha256 of the record as it stands in the file
    category: str
    style: str
    price: float
    copy: Mapping[str, Copy]


def read_products(path: Path) -> list[Product]:
    """Return every record of the file.

    Raises:
        TrainingDataMissing: There is no such file.
        RecordMalformed: A line is not a product record, or the file is empty.
    """
    if not path.is_file():
        raise TrainingDataMissing(path)
    products = list(_parse_lines(path))
    if not products:
        raise RecordMalformed(path, 1, "an empty file")
    return products


def split_products(products: list[Product]) -> tuple[list[Product], list[Product]]:
    """Return the records to train on and those held out, by the hash of each record.

    A record whose copy repeats a held-out text word for word is in neither part: it would leak the text.
    """
    held_out = hold_out(products, HELD_OUT)
    kept_away = {product.digest for product in held_out}
    secret = {
        copy.text for product in held_out for key, copy in product.copy.items() if key != "tag"
    }
    train = [
        product
        for product in products
        if product.digest not in kept_away
        and not any(copy.text in secret for copy in product.copy.values())
    ]
    return train, held_out


def hold_out(records: Sequence[Record], most: int) -> list[Record]:
    """Return the records with the smallest hashes: so many, or a tenth where there are few."""
    ranked = sorted(records, key=lambda record: record.digest)
    return ranked[: min(most, len(records) // 10)]


def _parse_lines(path: Path) -> Iterator[Product]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield _parse(line)
            except json.JSONDecodeError as error:
                raise RecordMalformed(path, number, f"no JSON ({error.msg})") from error
            except (KeyError, TypeError, AttributeError) as error:
                raise RecordMalformed(path, number, f"a record without {error}") from error


def _parse(line: str) -> Product:
    record = json.loads(line)
    canonical = json.dumps(record, sort_keys=True, ensure_ascii=False).encode()
    return Product(
        digest=hashlib.sha256(canonical).hexdigest(),
        category=record["category"],
        style=record["style"],
        price=float(record["price"]),
        copy={
            key: Copy(name=_mend(record[key]["name"]), text=_mend(record[key]["description"]))
            for key in LENGTHS
        },
    )


def _mend(text: str) -> str:
    mended = _BROKEN_CHARACTER.sub(lambda match: chr(int(match.group(1), 16)), text)
    mended = _BLANK_BRAND.sub("", mended)
    return _ODD_SPACES.sub(" ", mended).strip().strip('"').strip()
