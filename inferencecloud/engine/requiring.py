"""Have phrases said: names, prices and terms that a text must not leave out.

Lexically constrained decoding forces phrases into one of many beams (Hokamp & Liu 2017, arXiv:1704.07138;
Post & Vilar 2018, arXiv:1804.06609). Ours writes one text, which people read as it comes, so it is asked and
not forced: what begins a phrase that the answer lacks is likelier, and what goes on with a begun one much
more. A phrase can still be left out; who needs it looks (`phrases.says`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inferencecloud.engine.phrases import folded, says
from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.evaluation.limits import UNSPACED, WIDE_STOPS

# Added to a logit, in nats. More keeps more phrases, and says more of them twice (measured in ADR 29).
BEGIN, GO_ON = 3.5, 7.0
_OPENING = frozenset("\"'\u2018\u201c\u00ab([")
_SENTENCE_ENDS = frozenset(".!?\u2026" + WIDE_STOPS)
_NEEDS_NO_SPACE = re.compile(f"[{UNSPACED}\u3000-\u303f\uff00-\uff65]")
_HANGUL = re.compile("[\uac00-\ud7af]")  # words have spaces between them

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """A phrase in tokens, as they are at one kind of place."""

    ids: Ids
    is_spaced: bool  # its first token brings the space before it
    is_first: bool  # it begins a sentence, with a capital


class Requirement:
    """Says which tokens would bring the phrases into an answer."""

    def __init__(self, phrases: Sequence[str], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        spaced = [" ".join(phrase.split()) for phrase in phrases]
        self._forms = {
            folded(phrase, any_case=True): tuple(_forms(phrase, vocabulary)) for phrase in spaced
        }

    def bonuses(self, answer: Sequence[int]) -> dict[int, float]:
        """Return what to add to the logits of which tokens."""
        pieces = [self._vocabulary.pieces[token_id] for token_id in answer]
        text = b"".join(pieces).decode(errors="ignore")
        shown = folded(text, any_case=True)
        found: dict[int, float] = {}
        for phrase, forms in self._forms.items():
            if says(shown, phrase):
                continue
            begun = {form: self._begun(form, answer) for form in forms}
            furthest = max(begun.values(), default=(0, False))
            for form, (count, fits) in begun.items():
                if count and (count, fits) == furthest:
                    found[form.ids[count]] = GO_ON
                elif _fits(form, text):
                    found.setdefault(form.ids[0], BEGIN)
        return found

    def added(self, scores: Tensor, answer: Sequence[int]) -> Tensor:
        """Return the scores (V) with the bonuses."""
        bonuses = self.bonuses(answer)
        if not bonuses:
            return scores
        ids = torch.tensor(list(bonuses))
        values = torch.tensor(list(bonuses.values()), dtype=scores.dtype)
        return scores.index_add(0, ids, values)

    def _begun(self, form: _Form, answer: Sequence[int]) -> tuple[int, bool]:
        """Return how many tokens of the form end the answer, and whether it fits where they begin."""
        for count in range(min(len(form.ids) - 1, len(answer)), 0, -1):
            if tuple(answer[-count:]) == form.ids[:count]:
                before = self._vocabulary.tail(answer[:-count], 8).decode(errors="ignore")
                if form.is_spaced or _is_open(before):
                    return count, _fits(form, before)
        return 0, False


def _forms(phrase: str, vocabulary: Vocabulary) -> Iterable[_Form]:
    """Return the phrase as its tokens stand behind a word, and where a line begins."""
    for before, is_spaced in (("x", True), ("\n", False)):
        for is_first in (False, True):
            words = _capitalized(phrase) if is_first else phrase
            ids = _ids_behind(before, " " + words if is_spaced else words, vocabulary)
            if ids:
                yield _Form(ids, is_spaced, is_first)


def _capitalized(phrase: str) -> str:
    """Return the phrase with a capital; a name that begins small stays as it is ("iPhone")."""
    return phrase[0].upper() + phrase[1:] if phrase.split(maxsplit=1)[0].islower() else phrase


def _ids_behind(before: str, text: str, vocabulary: Vocabulary) -> Ids:
    """Return the tokens of a text behind another; none where a token would lie across the border."""
    ids = vocabulary.tokenizer.encode(before + text, add_special_tokens=False)
    rest, wanted = len(ids), len(text.encode())
    while rest and wanted > 0:
        rest -= 1
        wanted -= len(vocabulary.pieces[ids[rest]])
    return tuple(ids[rest:]) if wanted == 0 else ()


def _fits(form: _Form, text: str) -> bool:
    """Tell whether the form fits behind the text."""
    if form.is_spaced == _is_open(text):
        return False
    said = text.rstrip()
    is_first = not said or said[-1] in _SENTENCE_ENDS or text.endswith("\n")
    return form.is_first == is_first


def _is_open(text: str) -> bool:
    """Tell whether a word may follow the text without a space."""
    if not text or text[-1].isspace() or text[-1] in _OPENING:
        return True
    return bool(_NEEDS_NO_SPACE.match(text[-1])) and not _HANGUL.match(text[-1])
