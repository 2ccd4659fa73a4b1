"""The language of OpenAI-compatible servers: what is asked of them, and what their streams say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.requests import Alternative, Sampling, TokenLogprob
from inferencecloud.engine.serial import Turn

_MAX_STOPS = 4  # more are refused by OpenAI itself; ours are heeded here anyway
_GO_ON = "Go on exactly where you stopped. Repeat nothing and explain nothing."

Json = dict[str, Any]  # whatever stands in a JSON object


class StreamBroken(EngineError):
    """A server ended in the middle, or sent what nobody can read."""


class ServerRefused(EngineError):
    """A server told within its stream that it cannot go on."""


class BannedUnsupported(EngineError):
    """Nobody can promise for another server what it does not write."""

    def __init__(self) -> None:
        super().__init__(
            "Wanted a text without banned phrases from a remote server, got no way to be sure of it: "
            "let a model of this installation write it."
        )


def body(
    model: str,
    turns: Sequence[Turn],
    sampling: Sampling,
    *,
    so_far: str = "",
    extended: bool = False,
) -> Json:
    """Return the JSON of a streamed chat completion.

    Args:
        model: Its name at the server.
        turns: The chat.
        sampling: `no_repeat_ngram_size`, `guidance_scale`, `required` and `length` have no word there;
            what is not asked for is not sent.
        so_far: The beginning of the answer, of an earlier attempt.
        extended: The server knows vLLM's further parameters; others refuse them.

    Raises:
        BannedUnsupported: The request bans phrases.
    """
    if sampling.banned:
        raise BannedUnsupported
    asked: Json = {
        "model": model,
        "messages": [{"role": turn.role, "content": turn.text} for turn in turns],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed % (1 << 63),
    }
    if sampling.stop:
        asked["stop"] = list(sampling.stop[:_MAX_STOPS])
    if sampling.logprobs is not None:
        asked |= {"logprobs": True, "top_logprobs": sampling.logprobs}
    if sampling.json_schema is not None:
        asked["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "strict": True,
                "schema": json.loads(sampling.json_schema),
            },
        }
    if extended:
        asked |= _extras(sampling)
    if so_far:
        asked["messages"].append({"role": "assistant", "content": so_far})
        if extended:
            asked |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            asked["messages"].append({"role": "user", "content": _GO_ON})
    return asked


def _extras(sampling: Sampling) -> Json:
    wishes = {
        "top_k": sampling.top_k or None,
        "min_p": sampling.min_p or None,
        "repetition_penalty": None
        if sampling.repetition_penalty == 1
        else sampling.repetition_penalty,
    }
    return {name: value for name, value in wishes.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one event of a stream brought."""

    text: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: str | None = None  # stop, length, …
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    is_done: bool = False  # the end was announced


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Said]:
    """Yield what the lines of a stream (server-sent events) say.

    Raises:
        ServerRefused: An event tells an error.
        StreamBroken: An event is not JSON of the known form.
    """
    async for line in lines:
        if not line.startswith("data:"):
            continue  # comments that keep the connection alive, names of events, empty lines
        data = line[5:].strip()
        if data == "[DONE]":
            yield Said(is_done=True)
            return
        try:
            yield read(json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise StreamBroken(
                f"Wanted an event of a chat completion, got {data[:80]!r}."
            ) from error


def read(event: Json) -> Said:
    """Return what an event of a stream says."""
    if event.get("error"):
        problem = event["error"]
        raise ServerRefused(
            str(problem.get("message", problem) if isinstance(problem, dict) else problem)[:300]
        )
    usage = event.get("usage") or {}
    choice = event["choices"][0] if event["choices"] else {}
    delta = choice.get("delta") or {}
    return Said(
        text=delta.get("content") or "",
        logprobs=tuple(map(_logprob, (choice.get("logprobs") or {}).get("content") or ())),
        finish=choice.get("finish_reason"),
        prompt_tokens=usage.get("prompt_tokens"),
        new_tokens=usage.get("completion_tokens"),
    )


def _logprob(entry: Json) -> TokenLogprob:
    top = tuple(_alternative(one) for one in entry.get("top_logprobs") or ())
    return TokenLogprob(_alternative(entry), top)


def _alternative(entry: Json) -> Alternative:
    return Alternative(-1, str(entry["token"]), float(entry["logprob"]))
