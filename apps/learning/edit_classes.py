"""What kind of change a person made to a text: a fact, its structure, length, terms, legal words, or style.

Plain heuristics on words, quick enough for every edit of a company, and honest about what they are: a name
is a capital letter within a sentence, so they are made for English. The order of the questions matters: a
changed price is a fact whatever else was changed, and what nothing else explains is style.
"""

import re
from collections import Counter
from enum import StrEnum

LENGTH_RATIO = 0.25  # of the words: more than this gone or added is about length …
ONE_WAY = 0.8  # … when so much of the change goes in that one direction
SAME_WORDS = 0.95  # of the words are the same: what changed is their order or their lines
TERMS_LIMIT = 3  # words exchanged, at most, for a change of terms

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")  # noqa: RUF001  (a typesetter's apostrophe)
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_LATER_WORD = re.compile(r"(?<=[^\s.!?:;•\-–*#\"“(])[ \t]+([A-Z][\w&’'-]*)")  # noqa: RUF001
_OWN = re.compile(r"['’](?:s|S)?$")  # noqa: RUF001
_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)]|#{1,6}\s)", re.MULTILINE)
_LEGAL = re.compile(
    r"[©®™]|\b(?:t&cs|terms|conditions|disclaimers?|warrant(?:y|ies)|guarantees?d?|liab(?:le|ility)|"
    r"trademarks?|copyright|subject to|while (?:stocks?|supplies) lasts?|all rights reserved|"
    r"exclud(?:es|ing)|excl\.|void where|no purchase necessary|individual results)(?!\w)",
    re.IGNORECASE,
)
_COMMON = {"I", "I'm", "I’m", "I'll", "I’ll", "A", "The"}  # noqa: RUF001


class EditClass(StrEnum):
    """The kinds of change."""

    NONE = "none"
    FACT = "fact"
    LEGAL = "legal"
    STRUCTURE = "structure"
    LENGTH = "length"
    TERM = "term"
    STYLE = "style"


def edit_class(before: str, after: str, *, known: str = "") -> EditClass:
    """Return what kind of change makes one text into the other.

    Args:
        before: what the model wrote.
        after: what stands there now.
        known: everything that the model was told; what stands there is no new fact.
    """
    if before.split() == after.split():
        return EditClass.NONE if _lines(before) == _lines(after) else EditClass.STRUCTURE
    old, new = Counter(_words(before)), Counter(_words(after))
    gone, came = (old - new).total(), (new - old).total()
    most = max(old.total(), new.total(), 1)
    share = max(gone, came) / most
    exchanged = max(len(old - new), len(new - old))
    asked = (
        (EditClass.FACT, bool(new_facts(before, after, known=known))),
        (EditClass.LEGAL, _legal(before) != _legal(after)),
        (EditClass.STRUCTURE, share <= 1 - SAME_WORDS and _is_rearranged(before, after)),
        (EditClass.LENGTH, share > LENGTH_RATIO and share * most >= ONE_WAY * (gone + came)),
        (EditClass.TERM, gone > 0 and came > 0 and exchanged <= TERMS_LIMIT),
    )
    return next((kind for kind, is_so in asked if is_so), EditClass.STYLE)


def new_facts(before: str, after: str, *, known: str = "") -> set[str]:
    """Return numbers, dates and names that only the edited text has: what the model could not know."""
    had = f"{before}\n{known}"
    numbers = set(_NUMBER.findall(after)) - set(_NUMBER.findall(had))
    words = {_OWN.sub("", word.lower()) for word in re.findall(r"[\w&’'-]+", had)}  # noqa: RUF001
    names = {name for name in _names(after) if name.lower() not in words}
    return numbers | names


def _names(text: str) -> set[str]:
    found = (_OWN.sub("", name).rstrip("-") for name in _LATER_WORD.findall(text))
    return {name for name in found if name not in _COMMON and len(name) > 1}


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def _legal(text: str) -> Counter[str]:
    return Counter(found.lower() for found in _LEGAL.findall(text))


def _is_rearranged(before: str, after: str) -> bool:
    """Say whether the lines, their marks or the order of the sentences differ."""
    if len(_lines(before)) != len(_lines(after)):
        return True
    if len(_MARK.findall(before)) != len(_MARK.findall(after)):
        return True
    return Counter(_words(before)) == Counter(_words(after)) and _words(before) != _words(after)
