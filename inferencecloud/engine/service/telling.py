"""Say what the engine wrote, in the JSON of OpenAI's interface."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from inferencecloud.engine.requests import Alternative, Finish, FinishReason, TokenLogprob
from inferencecloud.engine.service.parsing import Asked

Json = dict[str, Any]

_REASONS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.CHARS: "length"}


class Teller:
    """Forms the answer to one request."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        prefix, kind = (
            ("chatcmpl", "chat.completion") if asked.is_chat else ("cmpl", "text_completion")
        )
        streamed = ".chunk" if asked.is_chat and asked.is_streamed else ""
        self._head: Json = {
            "id": f"{prefix}-{asked.request.id}",
            "object": kind + streamed,
            "created": int(time.time()),
            "model": asked.name,
        }
        self._offset = 0  # characters that were told

    def begin(self) -> Json:
        """Return the first event of a stream of a chat: who speaks."""
        return self._with_choice({"delta": {"role": "assistant", "content": ""}}, None)

    def piece(self, text: str, logprobs: Sequence[TokenLogprob]) -> Json:
        """Return the event of new text."""
        content: Json = {"delta": {"content": text}} if self.asked.is_chat else {"text": text}
        return self._with_choice(content | self._logprobs(logprobs), None)

    def end(self, finish: Finish) -> Json:
        """Return the last event of a stream, but for the usage."""
        content: Json = {"delta": {}} if self.asked.is_chat else {"text": ""}
        return self._with_choice(content, finish)

    def usage(self, finish: Finish) -> Json:
        """Return the event that tells the usage."""
        return {**self._head, "choices": [], "usage": _usage(finish)}

    def whole(self, text: str, logprobs: Sequence[TokenLogprob], finish: Finish) -> Json:
        """Return the answer in one piece."""
        content: Json = (
            {"message": {"role": "assistant", "content": text, "refusal": None}}
            if self.asked.is_chat
            else {"text": text}
        )
        told = self._with_choice(content | self._logprobs(logprobs), finish)
        return {**told, "usage": _usage(finish)}

    def _with_choice(self, content: Json, finish: Finish | None) -> Json:
        reason = None if finish is None else _REASONS.get(finish.reason)
        choice = {"index": 0, "logprobs": None, **content, "finish_reason": reason}
        return {**self._head, "choices": [choice]}

    def _logprobs(self, logprobs: Sequence[TokenLogprob]) -> Json:
        if self.asked.request.sampling.logprobs is None:
            return {}
        if self.asked.is_chat:
            return {"logprobs": {"content": [_entry(one) for one in logprobs]}}
        tokens = [one.chosen.text for one in logprobs]
        offsets = []
        for token in tokens:
            offsets.append(self._offset)
            self._offset += len(token)
        return {
            "logprobs": {
                "tokens": tokens,
                "token_logprobs": [one.chosen.logprob for one in logprobs],
                "top_logprobs": [{a.text: a.logprob for a in one.top} for one in logprobs],
                "text_offset": offsets,
            }
        }


def _entry(one: TokenLogprob) -> Json:
    return {**_alternative(one.chosen), "top_logprobs": [_alternative(other) for other in one.top]}


def _alternative(one: Alternative) -> Json:
    return {"token": one.text, "logprob": one.logprob, "bytes": list(one.text.encode())}


def _usage(finish: Finish) -> Json:
    return {
        "prompt_tokens": finish.prompt_tokens,
        "completion_tokens": finish.new_tokens,
        "total_tokens": finish.prompt_tokens + finish.new_tokens,
    }
