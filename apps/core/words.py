"""What changed between two texts, word by word."""

import re
from difflib import SequenceMatcher
from typing import Literal

Change = tuple[Literal["same", "gone", "new"], str]
WORD_LIMIT = 4000  # above it the comparison would take longer than reading

LONE_WORDS = 3  # fewer than these between two changes are part of them

_WORD = re.compile(r"\w+")
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


def word_diff(before: str, after: str) -> list[Change]:
    """Return the pieces of both texts in reading order; joined without one kind they give one text."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > WORD_LIMIT:
        return [piece for piece in (("gone", before), ("new", after)) if piece[1]]
    pieces: list[Change] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for operation, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if operation == "equal":
            pieces.append(("same", "".join(old[old_from:old_to])))
            continue
        if old_to > old_from:
            pieces.append(("gone", "".join(old[old_from:old_to])))
        if new_to > new_from:
            pieces.append(("new", "".join(new[new_from:new_to])))
    return _readable(pieces)


def _readable(pieces: list[Change]) -> list[Change]:
    """Fold lone words that both texts happen to share into the changes around them."""
    folded: list[Change] = []
    gone = new = ""
    for place, (kind, text) in enumerate(pieces):
        is_between = (gone or new) and place + 1 < len(pieces)
        if kind == "same" and not (is_between and len(_WORD.findall(text)) < LONE_WORDS):
            folded += _change(gone, new)
            folded.append((kind, text))
            gone = new = ""
        else:
            gone += text if kind != "new" else ""
            new += text if kind != "gone" else ""
    return folded + _change(gone, new)


def _change(gone: str, new: str) -> list[Change]:
    if gone == new:
        return [("same", gone)] if gone else []
    pieces: list[Change] = [("gone", gone), ("new", new)]
    return [piece for piece in pieces if piece[1]]
