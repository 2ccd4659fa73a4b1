"""Turn what a server says into the chunks of an answer: stop strings and limits hold here, too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from inferencecloud.engine.endpoint import RemoteFailed
from inferencecloud.engine.requests import FinishReason, Request, Resume
from inferencecloud.engine.serial import Chunk
from inferencecloud.engine.text import TextStream
from inferencecloud.engine.wire import Said

UNKNOWN_ID = -1  # stands for each token of a server that sends text alone


class Answer:
    """One answer on its way from a server."""

    def __init__(self, request: Request) -> None:
        resume = request.resume or Resume()
        self.tokens_left = request.sampling.max_new_tokens - len(resume.token_ids)
        self.decode_tokens_per_s: float | None = None  # known at the end
        self._pieces: list[str] = []
        self._text = TextStream(self._join, request.sampling)
        if resume.text:
            self._text.replay((), resume)
        self._tokens = 0
        self._last = Said()
        self._prompt_tokens = self._new_tokens = 0
        self._times: list[float] = []  # of the first and the last words

    def _join(self, numbers: Sequence[int]) -> str:
        return "".join(self._pieces[number] for number in numbers)

    def chunks(self, said: Iterator[Said | None]) -> Iterator[Chunk]:
        """Yield the chunks; the last has a reason.

        Raises:
            RemoteFailed: The server holds the text back.
        """
        for event in said:
            if event is None:
                yield Chunk()
                continue
            self._take(event)
            if not event.text:
                continue
            chunk = self._chunk(event)
            yield chunk
            if chunk.reason is not None:
                return
        yield self._end()

    def _take(self, event: Said) -> None:
        self._prompt_tokens = event.prompt_tokens or self._prompt_tokens
        self._new_tokens = event.new_tokens or self._new_tokens
        if event.finish is not None:
            self._last = event

    def _chunk(self, event: Said) -> Chunk:
        self._times[1:] = [time.monotonic()]
        self._pieces.append(event.text)
        count = max(1, len(event.logprobs))
        self._tokens += count
        text = self._text.push(len(self._pieces) - 1, tokens=count)
        return Chunk(
            text=text,
            token_ids=(UNKNOWN_ID,) * count,
            logprobs=event.logprobs,
            reason=self._text.reason,
        )

    def _end(self) -> Chunk:
        """Return the last chunk, and note the speed."""
        if self._last.finish == "content_filter":
            raise RemoteFailed("The server's own filter held the rest of the text back.")
        if len(self._times) == 2 and self._times[1] > self._times[0]:
            tokens = max(self._new_tokens, self._tokens) - 1
            self.decode_tokens_per_s = tokens / (self._times[1] - self._times[0])
        is_cut = self._last.finish == "length"
        rest = self._text.finish()
        return Chunk(
            text=rest,
            token_ids=(UNKNOWN_ID,) * max(0, self._new_tokens - self._tokens),
            prompt_tokens=self._prompt_tokens,
            reason=self._text.reason or (FinishReason.LENGTH if is_cut else FinishReason.STOP),
        )
