"""Why a step was not written, in words for the person who wanted it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

MODEL_MISSING = "model_missing"
PROMPT_TOO_LONG = "prompt_too_long"
WORKER_LOST = "worker_lost"
SOURCE_FAILED = "source_failed"
SOURCE_ELSEWHERE = "source_elsewhere"  # and its name is not for everybody who looks here
NOT_ALLOWED = "not_allowed"
ENGINE = "engine"

_WORDS = {
    MODEL_MISSING: gettext_noop("No model can write here now: %(reason)s"),
    PROMPT_TOO_LONG: gettext_noop("The instruction with its sources is too long: %(reason)s"),
    WORKER_LOST: gettext_noop("The worker stopped %(times)s times while writing"),
    SOURCE_FAILED: gettext_noop("Not written, because “%(source)s” before it was not"),
    SOURCE_ELSEWHERE: gettext_noop("Not written, because a source elsewhere was not"),
    NOT_ALLOWED: gettext_noop("Not written: whoever started it may not write here any more"),
    ENGINE: gettext_noop("The model could not write: %(reason)s"),
}
_UNSAID = {"reason": "?", "source": "?", "times": "?"}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A code of this module and what its words need (JSON)."""

    code: str
    data: Mapping[str, Any] = field(default_factory=dict)


def because_of(source: str, *, is_elsewhere: bool) -> Failure:
    """Return the failure of a step whose source was not written."""
    if is_elsewhere:
        return Failure(code=SOURCE_ELSEWHERE)
    return Failure(code=SOURCE_FAILED, data={"source": source})


def words(code: str, data: Mapping[str, Any]) -> str:
    """Return the sentence in the reader's language; empty without a failure."""
    return _(_WORDS[code]) % {**_UNSAID, **data} if code else ""
