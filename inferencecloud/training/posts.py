"""Read the posts that the starter learns from: news, guides and event announcements of public offices."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from inferencecloud.training.products import RecordMalformed, TrainingDataMissing, hold_out

HELD_OUT = 100
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"(\*\*|__|`|^#+ |^> ?|\{\{.*?\}\}|<[^>]+>|\[[^\]]*\]\{[^}]*\})", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)[_*](\S(?:[^_*\n]*\S)?)[_*](?!\w)")
_PLAIN = str.maketrans({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x00A0: " "})
_PARAGRAPH = re.compile(r"\n\s*\n")
_SHORTEST, _LONGEST = 120, 900  # characters of a paragraph that is prose


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One record: what it is called and about, in short and at length."""

    digest: str  # sha256 of the record
    title: str
    deck: str
    summary: str
    topics: tuple[str, ...]
    paragraphs: tuple[str, ...]  # prose only: no lists, no headings


def read_posts(path: Path) -> list[Post]:
    """Return every record of the gzipped file.

    Raises:
        TrainingDataMissing: There is no such file.
        RecordMalformed: A line is not a post.
    """
    if not path.is_file():
        raise TrainingDataMissing(path)
    posts = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                posts.append(_parse(line))
            except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                raise RecordMalformed(path, number, f"no post ({error})") from error
    return posts


def split_posts(posts: list[Post]) -> tuple[list[Post], list[Post]]:
    """Return the posts to train on and those held out by hash; what repeats a held-out text is in neither."""
    held_out = hold_out(posts, HELD_OUT)
    kept_away = {post.digest for post in held_out}
    secret = {text for post in held_out for text in (post.summary, *post.paragraphs) if text}
    train = [
        post
        for post in posts
        if post.digest not in kept_away
        and not secret.intersection((post.summary, *post.paragraphs))
    ]
    return train, held_out


def _parse(line: str) -> Post:
    record = json.loads(line)
    canonical = json.dumps(record, sort_keys=True, ensure_ascii=False).encode()
    return Post(
        digest=hashlib.sha256(canonical).hexdigest(),
        title=_clean(record["title"]),
        deck=_clean(record["deck"]),
        summary=_whole(_clean(record["summary"])),
        topics=tuple(topic.replace("-", " ") for topic in record["topics"]),
        paragraphs=tuple(_prose(record["body"])),
    )


def _clean(text: str) -> str:
    text = _LINK.sub(r"\1", html.unescape(text))
    text = _EMPHASIS.sub(r"\1", _MARKS.sub("", text))
    text = text.translate(_PLAIN)
    return re.sub(r"\s+", " ", text).strip()


def _whole(text: str) -> str:
    """Return the text up to its last full stop: some summaries are cut off in a word."""
    end = max(text.rfind(mark) for mark in ".!?")
    return text[: end + 1]


def _prose(body: str) -> list[str]:
    paragraphs = []
    for raw in _PARAGRAPH.split(body):
        if raw.lstrip().startswith(("#", "*", "-", "|", ">", "{", "<", "1", "!")):
            continue
        text = _clean(raw)
        if (
            _SHORTEST <= len(text) <= _LONGEST
            and text[0].isupper()
            and text[-1] in ".!?"
            and "http" not in text
        ):
            paragraphs.append(text)
    return paragraphs
