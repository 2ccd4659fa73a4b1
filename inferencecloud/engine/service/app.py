"""The service as an ASGI application: the list of models, chat completions, completions.

A request is cancelled when its client goes away. Nothing is answered before the engine's first words, so
that what it refuses has the right status.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Protocol

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.requests import Delta, Finish, FinishReason, Request, TokenLogprob
from inferencecloud.engine.service.parsing import Asked, Served, parse
from inferencecloud.engine.service.refusals import Refused, of_engine
from inferencecloud.engine.service.telling import Teller
from inferencecloud.engine.stage import Stage

Scope = MutableMapping[str, Any]  # as ASGI has it
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_BODY_BYTES = 4 << 20
_AT_ONCE = 256  # requests; more wait
_POLL_S = 0.25


class Writes(Protocol):
    """What the service needs of an engine."""

    def models(self) -> list[ModelInfo]:
        """Return the loaded models."""

    def submit(self, requests: Sequence[Request]) -> Stage:
        """Hand over a stage; returns at once."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class NameTaken(EngineError):
    """Clients could not tell two models apart."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Wanted another name for the adapter {name}: a model has it.")


class ModelService:
    """Answers for the models of one engine."""

    def __init__(
        self,
        engine: Writes,
        models: Mapping[str, str],
        *,
        adapters: Mapping[str, tuple[str, str]] | None = None,
        token: str = "",
    ) -> None:
        """Serve models, and adapters of them as models of their own, as vLLM does.

        Args:
            engine: What writes.
            models: Its keys by the names that clients use.
            adapters: The name of the model, and the engine's key of the adapter, by its name for clients.
            token: What clients must send; empty: nothing.

        Raises:
            NameTaken: An adapter has the name of a model.
        """
        self._engine = engine
        self._models = {name: Served(model=key) for name, key in models.items()}
        for name, (parent, key) in (adapters or {}).items():
            if name in self._models:
                raise NameTaken(name)
            self._models[name] = Served(model=models[parent], adapter=key, parent=parent)
        self._token = token
        self._pollers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="service")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI wants it."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"This service speaks HTTP, not {scope['type']}.")
        connection = _Connection(receive, send)
        try:
            await self._serve(scope, connection)
        except ClientGone:
            return
        except EngineError as error:
            await connection.refuse(of_engine(error))

    async def _serve(self, scope: Scope, connection: _Connection) -> None:
        self._require_token(scope)
        route = (scope["method"], scope["path"].rstrip("/"))
        if route == ("GET", "/v1/models"):
            await connection.answer(HTTPStatus.OK, self._list())
        elif route == ("POST", "/v1/chat/completions"):
            await self._complete(connection, is_chat=True)
        elif route == ("POST", "/v1/completions"):
            await self._complete(connection, is_chat=False)
        else:
            raise Refused(
                HTTPStatus.NOT_FOUND, f"There is no {' '.join(route)} here.", code="unknown_url"
            )

    def _require_token(self, scope: Scope) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        if self._token and not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "Wanted the token of this service as Authorization: Bearer, got none or another.",
                code="invalid_api_key",
            )

    def _list(self) -> dict[str, Any]:
        contexts = {info.key: info.context_tokens for info in self._engine.models()}
        return {
            "object": "list",
            "data": [
                {
                    "id": name,
                    "object": "model",
                    "created": 0,
                    "owned_by": "inferencecloud",
                    "parent": served.parent,
                    "max_model_len": contexts.get(served.model),
                }
                for name, served in sorted(self._models.items())
            ],
        }

    async def _complete(self, connection: _Connection, *, is_chat: bool) -> None:
        asked = parse(await connection.body(), self._models, is_chat=is_chat)
        stage = self._engine.submit([asked.request])
        leaving = asyncio.ensure_future(connection.gone())
        try:
            await self._tell(connection, asked, stage)
        finally:
            stage.cancel()
            leaving.cancel()
            with suppress(asyncio.CancelledError):
                await leaving

    async def _tell(self, connection: _Connection, asked: Asked, stage: Stage) -> None:
        teller = Teller(asked)
        text, logprobs = "", list[TokenLogprob]()
        while not stage.finished:
            for delta in await self._poll(stage, connection):
                failed = delta.finish is not None and not delta.finish.reason.succeeded
                if failed:
                    await connection.refuse(_refusal(delta.finish))
                elif asked.is_streamed:
                    await _stream(connection, teller, delta)
                else:
                    text += delta.text
                    logprobs += delta.logprobs
                    if delta.finish is not None:
                        await connection.answer(
                            HTTPStatus.OK, teller.whole(text, logprobs, delta.finish)
                        )

    async def _poll(self, stage: Stage, connection: _Connection) -> list[Delta]:
        loop = asyncio.get_running_loop()
        deltas = await loop.run_in_executor(self._pollers, stage.poll, _POLL_S)
        if connection.is_gone:
            raise ClientGone
        return deltas


async def _stream(connection: _Connection, teller: Teller, delta: Delta) -> None:
    """Send what a delta brings as events."""
    if not connection.is_begun and teller.asked.is_chat:
        await connection.event(teller.begin())
    if delta.text or delta.logprobs:
        await connection.event(teller.piece(delta.text, delta.logprobs))
    if delta.finish is None:
        return
    await connection.event(teller.end(delta.finish))
    if teller.asked.with_usage:
        await connection.event(teller.usage(delta.finish))
    await connection.close_stream()


def _refusal(finish: Finish | None) -> Refused:
    if finish is not None and finish.reason is FinishReason.CANCELLED:
        return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The service is ending.")
    return of_engine(finish.error if finish is not None else None)


class _Connection:
    """One HTTP request and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.is_begun = False  # a stream's head was sent
        self.is_gone = False

    async def body(self) -> bytes:
        """Return the body of the request."""
        raw = b""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            raw += message.get("body", b"")
            if len(raw) > _MAX_BODY_BYTES:
                raise Refused(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"Wanted a body of at most {_MAX_BODY_BYTES} bytes, got more.",
                )
            if not message.get("more_body"):
                return raw

    async def gone(self) -> None:
        """Wait until the client goes away, and note it."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True

    async def answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        """Send the whole answer."""
        raw = json.dumps(content, ensure_ascii=False).encode()
        await self._head(status, "application/json", [(b"content-length", str(len(raw)).encode())])
        await self._send({"type": "http.response.body", "body": raw})

    async def event(self, content: dict[str, Any] | str) -> None:
        """Send an event of a stream."""
        if not self.is_begun:
            self.is_begun = True
            await self._head(
                HTTPStatus.OK,
                "text/event-stream; charset=utf-8",
                [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")],
            )
        data = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        await self._send(
            {
                "type": "http.response.body",
                "body": f"data: {data}\n\n".encode(),
                "more_body": True,
            }
        )

    async def close_stream(self) -> None:
        """End a stream as it is to end."""
        await self.event("[DONE]")
        await self._send({"type": "http.response.body", "body": b""})

    async def refuse(self, refusal: Refused) -> None:
        """Send a refusal: as the answer, or as the last event where the answer has begun."""
        if self.is_begun:
            await self.event(refusal.as_json())
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self.answer(refusal.status, refusal.as_json())

    async def _head(
        self, status: HTTPStatus, kind: str, headers: list[tuple[bytes, bytes]]
    ) -> None:
        head = [(b"content-type", kind.encode()), *headers]
        await self._send({"type": "http.response.start", "status": int(status), "headers": head})


async def _live(receive: Receive, send: Send) -> None:
    """Follow the server's begin and end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
