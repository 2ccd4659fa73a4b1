"""A prompt whose sources are still being written: its tokens, as far as they are known.

A step can be read while its source is written, so that its first token follows the source's last at once.
What is told early is a guess: the next letters may join the last ones to another token, so the last token is
held back, and a reader of these ids compares them with what it has read already. When everything is there,
each message is encoded whole, which is what transformers would do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from inferencecloud.engine.prompt import PromptEncoder
from inferencecloud.engine.requests import Message, OutputOf, Request

_TAIL_CHARS = 32  # so much is encoded anew each time; before it, ids are taken as settled
_WORD_BEGINS = re.compile(r"(?<=\w)(?= \w)")


@dataclass(slots=True)
class Source:
    """What another request has written so far."""

    text: str = ""
    is_complete: bool = False


@dataclass(slots=True)
class _Tail:
    """The end of a message that grows: ids that are settled, and where the unsettled text begins."""

    settled: list[int] = field(default_factory=list)
    begins: int = 0
    text: str | None = None
    known: list[int] = field(default_factory=list)  # the ids of `text`, the last one left out

    def ids(self, text: str, encoder: PromptEncoder) -> list[int]:
        """Return the ids of the text so far, the last one left out."""
        if text != self.text:  # else a later source has grown
            self.text, self.known = text, self._encoded(text, encoder)
        return self.known

    def _encoded(self, text: str, encoder: PromptEncoder) -> list[int]:
        rest = text[self.begins :]
        if len(rest) > 2 * _TAIL_CHARS:
            places = [m.start() for m in _WORD_BEGINS.finditer(rest, 0, len(rest) - _TAIL_CHARS)]
            if places:
                self.settled += encoder.encode_text(rest[: places[-1]])
                self.begins += places[-1]
                rest = text[self.begins :]
        return self.settled + encoder.encode_text(rest)[:-1]


class GrowingPrompt:
    """The ids of one request's prompt; asked again whenever a source has grown."""

    def __init__(self, request: Request, encoder: PromptEncoder) -> None:
        self._messages = request.messages
        self._encoder = encoder
        self._frame = encoder.frame([message.role.value for message in request.messages])
        self._done: dict[int, list[int]] = {}  # ids of the messages that are complete
        self._tails: dict[int, _Tail] = {}

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text."""
        return self._encoder.encode_text(text)

    def token_ids(self, sources: Mapping[str, Source]) -> tuple[list[int], bool]:
        """Return the ids that are known, and whether they are all."""
        ids: list[int] = []
        for part in self._frame:
            if not isinstance(part, int):
                ids += part
                continue
            if part not in self._done:
                text, is_complete = _known(self._messages[part], sources)
                if not is_complete:
                    tail = self._tails.setdefault(part, _Tail())
                    return ids + tail.ids(text, self._encoder), False
                self._done[part] = self._encoder.encode_text(text)
            ids += self._done[part]
        return ids, True


def _known(message: Message, sources: Mapping[str, Source]) -> tuple[str, bool]:
    """Return the text of the message up to the first source that is not complete."""
    parts: list[str] = []
    for segment in message.segments:
        if not isinstance(segment, OutputOf):
            parts.append(segment.text)
            continue
        source = sources[segment.request_id]
        if segment.apply is None:
            parts.append(source.text)
        elif source.is_complete:
            parts.append(segment.apply(source.text))
        if not source.is_complete:
            return "".join(parts), False
    return "".join(parts), True


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many ids from the beginning are the same."""
    if one[: len(other)] == other[: len(one)]:
        return min(len(one), len(other))
    return next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
