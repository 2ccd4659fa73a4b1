"""Turn token ids into text that may be shown at once.

Whole characters only, nothing of a stop string, no half word where a limit cuts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from inferencecloud.engine.lengths import end_near
from inferencecloud.engine.requests import FinishReason, Resume, Sampling
from inferencecloud.evaluation.limits import Limit, count, cut, fitting_end

Decode = Callable[[Sequence[int]], str]

_REPLACEMENT = "\ufffd"  # what a decoder shows for bytes that are no character (yet)
_LAST_WORD = re.compile(r"\s*\S*\Z")


class Detokenizer:
    """Decodes ids one by one, holding back the bytes of a character that is not whole yet.

    Only a short window is decoded again at each step: from the last place where text came out.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._window = 0  # where the decoded window begins
        self._shown = 0  # how many ids have come out as text

    def push(self, token_id: int) -> str:
        """Return the text that the id brought."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._window : self._shown])
        after = self._decode(self._ids[self._window :])
        if after.endswith(_REPLACEMENT) or len(after) <= len(before):
            return ""
        self._window, self._shown = self._shown, len(self._ids)
        return after[len(before) :].replace(_REPLACEMENT, "")

    def flush(self) -> str:
        """Return what is held back, without the bytes that never became a character."""
        before = self._decode(self._ids[self._window : self._shown])
        rest = self._decode(self._ids[self._window :])[len(before) :]
        self._window = self._shown = len(self._ids)
        return rest.replace(_REPLACEMENT, "")


class TextStream:
    """The text of one request as it grows; a function of the token ids alone, so it can be replayed."""

    def __init__(self, decode: Decode, sampling: Sampling) -> None:
        self._detokenizer = Detokenizer(decode)
        self._stop = sampling.stop
        self._limits = _limits(sampling)
        self._length = sampling.length
        self._aim_tokens = sampling.aim_tokens
        self._tokens = 0
        self._text = ""
        self._released = 0  # characters given out
        self.reason: FinishReason | None = None  # set when a stop string or a limit came

    @property
    def text(self) -> str:
        """Return all that was given out."""
        return self._text[: self._released]

    def replay(self, token_ids: Sequence[int], resume: Resume) -> None:
        """Take up the ids of an earlier attempt; what they gave out then is not given out again.

        Args:
            token_ids: What `decode` knows of it; none where the ids are another's.
            resume: What was written, and in how many tokens.
        """
        for token_id in token_ids:
            self.push(token_id)
        self._tokens = max(self._tokens, len(resume.token_ids))
        if tuple(token_ids) != resume.token_ids:
            self._text = resume.text
            self._released = len(resume.text)

    def push(self, token_id: int, *, tokens: int = 1) -> str:
        """Return the text that may be shown after this id; sets `reason` when it was the last.

        Args:
            token_id: What `decode` knows.
            tokens: It stands for so many.
        """
        start = len(self._text)
        self._text += self._detokenizer.push(token_id)
        self._end_near_aim(start)
        self._tokens += tokens
        if self._cut():
            return self._release(len(self._text))
        return self._release(len(self._text) - self._held_back())

    def finish(self) -> str:
        """Return the rest: no more ids come."""
        self._text += self._detokenizer.flush()
        self._cut()
        return self._release(len(self._text))

    def _release(self, end: int) -> str:
        piece = self._text[self._released : max(end, self._released)]
        self._released += len(piece)
        return piece

    def _cut(self) -> bool:
        """Shorten the text at a stop string or the limit; tell whether it was."""
        if self.reason is not None:
            return True
        places = [place for stop in self._stop if (place := self._text.find(stop)) >= 0]
        if places:
            self._text = self._text[: min(places)]
            self.reason = FinishReason.STOP
        for limit in self._limits:
            if count(self._text, limit.unit) > limit.high:
                shown = self._text[: self._released]  # stays, were it a dash behind the last word
                end = self._whole() if limit == self._length else 0
                fitting = self._text[:end] if end else cut(self._text, limit)
                self._text = max(shown, fitting, key=len)
                self.reason = FinishReason.CHARS
        return self.reason is not None

    def _whole(self) -> int:
        """Return the characters up to the end of the last sentence that fits the wished length; 0: none."""
        wished = self._length
        return 0 if wished is None else fitting_end(self._text, wished)

    def _end_near_aim(self, start: int) -> None:
        """Shorten the text where it is about as long as it is to be."""
        if self._aim_tokens is None or self.reason is not None:
            return
        end = end_near(self._aim_tokens, self._text, start=start, tokens=self._tokens)
        if end is not None:
            self._text = self._text[:end]
            self.reason = FinishReason.STOP

    def _held_back(self) -> int:
        """Return how many characters at the end may still be taken back."""
        held = 0
        for stop in self._stop:
            longest = min(len(stop) - 1, len(self._text))
            held = max(
                held, next((n for n in range(longest, 0, -1) if self._text.endswith(stop[:n])), 0)
            )
        whole = self._whole()
        if whole:  # the sentence behind it is shown once it fits
            held = max(held, len(self._text) - whole)
        if any(limit.unit == "characters" for limit in self._limits):
            last_word = _LAST_WORD.search(self._text[self._released :])
            held = max(held, len(last_word.group(0)) if last_word else 0)
        return held


def _limits(sampling: Sampling) -> tuple[Limit, ...]:
    most = sampling.max_chars
    limits = () if most is None else (Limit(unit="characters", high=most),)
    return limits if sampling.length is None else (*limits, sampling.length)
