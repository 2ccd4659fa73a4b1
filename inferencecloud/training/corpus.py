"""Find and read everything that the starter learns from, and what is kept away from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inferencecloud.training.generator.mix import Sources
from inferencecloud.training.posts import read_posts, split_posts
from inferencecloud.training.products import TrainingDataMissing, read_products, split_products

PRODUCTS, POSTS = "products.jsonl", "posts.jsonl.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The records to train on, and those that no training may see."""

    train: Sources
    held_out: Sources


def read_corpus(path: Path) -> Corpus:
    """Return the corpus of a folder with both files, or of a file of products alone.

    Raises:
        TrainingDataMissing: There is no such file.
        RecordMalformed: A line is no record.
    """
    if path.is_dir():
        folder = (
            path if (path / PRODUCTS).exists() or not (path / "copy").is_dir() else path / "copy"
        )
        if not (folder / POSTS).is_file():
            raise TrainingDataMissing(folder / POSTS)
        posts, posts_held_out = split_posts(read_posts(folder / POSTS))
        path = folder / PRODUCTS
    else:
        posts, posts_held_out = [], []
    products, products_held_out = split_products(read_products(path))
    return Corpus(
        train=Sources(products=products, posts=posts),
        held_out=Sources(products=products_held_out, posts=posts_held_out),
    )


def texts_of(sources: Sources) -> list[str]:
    """Return every text of the records as people know it, unchanged."""
    texts = [copy.text for product in sources.products for copy in product.copy.values()]
    for post in sources.posts:
        texts += [post.summary, post.deck, *post.paragraphs]
    return [text for text in texts if text]
