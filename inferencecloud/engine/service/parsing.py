"""Read what a client asks for: from the JSON of OpenAI's interface to a request of the engine.

Understood beyond it, as vLLM does: top_k, min_p, repetition_penalty, bad_words, and continue_final_message,
which goes on with the last message instead of answering it; guidance_scale as in transformers' settings; and
required_phrases, which are to appear.
What would change the answer and is not understood is refused.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from inferencecloud.engine.requests import Message, Request, Resume, Role, Sampling, Text
from inferencecloud.engine.service.refusals import Refused, wrong

DEFAULT_MAX_TOKENS = 1024

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
_UNSUPPORTED = ("tools", "functions", "audio", "logit_bias", "suffix", "echo")
_MUST_BE_NEUTRAL = {"n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0}

Json = Mapping[str, Any]  # whatever a client sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a name stands for, to clients."""

    model: str  # the engine's key
    adapter: str | None = None  # the engine's key
    parent: str | None = None  # an adapter's model, as clients name it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was understood."""

    request: Request
    name: str  # of the model, as the client says it
    is_chat: bool
    is_streamed: bool
    with_usage: bool  # in the stream


def parse(raw: bytes, models: Mapping[str, Served], *, is_chat: bool) -> Asked:
    """Return what the body asks for.

    Args:
        raw: The body.
        models: What the names stand for that clients use.
        is_chat: Whether it has messages; otherwise it has a prompt, which stands as one message of a user.

    Raises:
        Refused: It is wrong, or more than is understood.
        InvalidSampling: A number in it is out of range.
    """
    body = _body(raw)
    name = _field(body, "model", kind=str, wanted="the name of a model")
    if name not in models:
        known = ", ".join(sorted(models))
        raise Refused(
            HTTPStatus.NOT_FOUND,
            f"The model {name} does not exist; there are: {known}.",
            code="model_not_found",
            field="model",
        )
    messages, so_far = _messages(body) if is_chat else ((_prompt(body),), "")
    options = body.get("stream_options") or {}
    return Asked(
        request=Request(
            id=uuid.uuid4().hex,
            model=models[name].model,
            adapter=models[name].adapter,
            messages=messages,
            sampling=_sampling(body, is_chat=is_chat),
            resume=Resume(text=so_far) if so_far else None,
        ),
        name=name,
        is_chat=is_chat,
        is_streamed=bool(body.get("stream")),
        with_usage=isinstance(options, dict) and bool(options.get("include_usage")),
    )


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise wrong("The body", "a JSON object", body)
    for field in _UNSUPPORTED:
        if body.get(field):
            raise Refused(HTTPStatus.BAD_REQUEST, f"{field} is not supported.", field=field)
    for field, neutral in _MUST_BE_NEUTRAL.items():
        if body.get(field) not in {None, neutral}:
            raise wrong(field, f"{neutral} or left out", body[field])
    return body


def _field(body: Json, name: str, *, kind: type | tuple[type, ...], wanted: str) -> Any:
    """Return a field of the kind; truth values are no numbers here."""
    value = body.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise wrong(name, wanted, value)
    return value


def _messages(body: Json) -> tuple[tuple[Message, ...], str]:
    """Return the messages, and the beginning of the answer where one is to be continued."""
    listed = _field(body, "messages", kind=list, wanted="a list of messages")
    if not listed:
        raise wrong("messages", "at least one message", listed)
    messages = [_message(one) for one in listed]
    if not body.get("continue_final_message"):
        return tuple(messages), ""
    last = messages[-1]
    if last.role is not Role.ASSISTANT or len(messages) < 2:
        raise wrong("continue_final_message", "false unless the last is the assistant's", True)  # noqa: FBT003
    return tuple(messages[:-1]), "".join(
        part.text for part in last.segments if isinstance(part, Text)
    )


def _message(message: object) -> Message:
    if not isinstance(message, dict):
        raise wrong("messages", "objects with role and content", message)
    role = message.get("role")
    if role not in _ROLES:
        raise wrong("messages.role", f"one of {', '.join(_ROLES)}", role)
    return Message(_ROLES[role], (Text(_text(message.get("content"))),))


def _text(content: object) -> str:
    """Return the text of a message: told at once, or in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong("messages.content", "a text or a list of parts", content)
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise wrong("messages.content", "parts of type text", part)
        texts.append(text)
    return "".join(texts)


def _prompt(body: Json) -> Message:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise wrong("prompt", "one text", prompt)
    return Message(Role.USER, (Text(prompt),))


def _sampling(body: Json, *, is_chat: bool) -> Sampling:
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return Sampling(
        temperature=_number(body, "temperature", 1.0),
        top_p=_number(body, "top_p", 1.0),
        top_k=max(0, _whole(body, "top_k", 0)),  # -1 is none, too
        min_p=_number(body, "min_p", 0.0),
        repetition_penalty=_number(body, "repetition_penalty", 1.0),
        guidance_scale=None
        if body.get("guidance_scale") is None
        else _number(body, "guidance_scale", 1.0),
        seed=_whole(body, "seed", secrets.randbelow(1 << 31)),
        max_new_tokens=DEFAULT_MAX_TOKENS
        if limit is None
        else _whole({"max_tokens": limit}, "max_tokens", 0),
        stop=_texts(body, "stop"),
        banned=_texts(body, "bad_words"),
        required=_texts(body, "required_phrases"),
        logprobs=_logprobs(body, is_chat=is_chat),
        json_schema=_schema(body.get("response_format")),
    )


def _number(body: Json, name: str, default: float) -> float:
    if body.get(name) is None:
        return default
    return float(_field(body, name, kind=(int, float), wanted="a number"))


def _whole(body: Json, name: str, default: int) -> int:
    if body.get(name) is None:
        return default
    return int(_field(body, name, kind=int, wanted="a whole number"))


def _texts(body: Json, name: str) -> tuple[str, ...]:
    value = body.get(name)
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise wrong(name, "a text or a list of texts", value)
    return tuple(texts)


def _logprobs(body: Json, *, is_chat: bool) -> int | None:
    """Return how many alternatives are wanted: a chat tells it in two fields, a completion in one."""
    if not is_chat:
        return _whole(body, "logprobs", 0) if body.get("logprobs") is not None else None
    return _whole(body, "top_logprobs", 0) if body.get("logprobs") else None


def _schema(wanted: object) -> str | None:
    """Return the JSON schema of a response format."""
    if wanted is None:
        return None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return '{"type": "object"}'
    outer = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = outer.get("schema") if isinstance(outer, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise wrong("response_format", "text, json_object or json_schema with its schema", wanted)
    return json.dumps(schema)
