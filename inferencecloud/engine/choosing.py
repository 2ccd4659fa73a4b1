"""Choose the next tokens of a step: one for each sequence, or as many as its draft holds and one more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Seq
from typing import NamedTuple

from torch import Tensor

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.sampling import Choice
from inferencecloud.engine.sequence import Sequence
from inferencecloud.engine.serial import GenerationFailed
from inferencecloud.engine.span import Span

logger = logging.getLogger(__name__)

Fail = Callable[[Sequence, EngineError], None]


class Scored(NamedTuple):
    """A span with the logits that it wanted."""

    span: Span
    logits: Tensor  # (rows of the step, V) float32
    first: int  # which of the rows is the first of the span's
    likeliest: list[int]  # the id with the highest logit of each of its rows
    unprompted: int | None = None  # the first row without the prompt, where it is guided


def choose(wanted: Seq[Scored], fail: Fail) -> Iterator[tuple[Span, list[Choice]]]:
    """Yield the next tokens of each span; what breaks goes to `fail`, alone.

    A row serves when all drafted tokens before it are what was chosen; the first that differs is the last.
    """
    for scored in wanted:
        span = scored.span
        if span.sequence.sampler.is_plain:
            choices = [Choice(token_id) for token_id in scored.likeliest]
            yield span, choices[: 1 + _held(span.draft, choices)]
            continue
        try:
            choices = _sampled(scored)
        except EngineError as problem:
            fail(span.sequence, problem)
        except Exception as error:  # whatever breaks in one request, the others go on
            logger.exception("No token could be chosen for %s", span.sequence.request.id)
            fail(span.sequence, GenerationFailed(error))
        else:
            yield span, choices


def _held(draft: Seq[int], chosen: Seq[Choice]) -> int:
    """Return how many drafted tokens are what was chosen."""
    return next((n for n, guess in enumerate(draft) if guess != chosen[n].token_id), len(draft))


def _sampled(scored: Scored) -> list[Choice]:
    """Return the choices of a sequence that draws, or whose choice depends on its answer."""
    span, logits, other = scored.span, scored.logits, scored.unprompted
    answer, choices = span.sequence.answer, []
    for place, guess in enumerate((*span.draft, None)):
        unprompted = None if other is None else logits[other + place]
        row = logits[scored.first + place]
        choice = span.sequence.sampler.choose(row, answer, unprompted=unprompted)
        choices.append(choice)
        answer.append(choice.token_id)
        if choice.token_id != guess:
            break
    return choices
