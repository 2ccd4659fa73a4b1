"""Read the product records that the starter model learns from.

Each record is a product with its copy at several lengths, and every length bears a name of its own: the
tag line of one record speaks of "Brown Boots", its head paragraph of "Vintage Explorer Leather Boot".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LENGTHS = ("tag", "short", "mid", "head", "long")
HELD_OUT_SHARE = 0.05

# Some records carry Latin-1 characters as a bare "xE9" ("decor" with an accent, degrees).
_BROKEN_CHARACTER = re.compile(r"(?<=[a-z0-9])x([BCDEF][0-9A-F])")
_BLANK_BRAND = re.compile(r" (?:by|from) \[Brand(?: Name)?\]|\[Brand(?: Name)?\] ?")
_ODD_SPACES = re.compile(r"\s+")


class TrainingDataMissing(FileNotFoundError):
    """The file with the product records is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The starter is trained on product records (one JSON object per line), "
            f"but there is no file at {path}. Give its place with --data."
        )


class RecordMalformed(ValueError):
    """A line of the data is not a product record."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}, line {line}: wanted a product record, got {problem}.")


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

    @property
    def held_out(self) -> bool:
        """Tell whether the record is kept away from training."""
        return int(self.digest[:8], 16) / 0xFFFFFFFF < HELD_OUT_SHARE


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
    held_out = [product for product in products if product.held_out]
    secret = {
        copy.text for product in held_out for key, copy in product.copy.items() if key != "tag"
    }
    train = [
        product
        for product in products
        if not product.held_out and not any(copy.text in secret for copy in product.copy.values())
    ]
    return train, held_out


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
