"""Have texts written by OpenAI-compatible servers (vLLM and others), behind the same interface.

The connections live in one event loop on a thread of its own. A request that reads others' output is sent
when these are complete. Until the first words came, a busy or failing server is asked again; afterwards
nothing is repeated, for the words are out.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from inferencecloud.engine import wire
from inferencecloud.engine.addresses import PinnedTransport
from inferencecloud.engine.answering import Answer
from inferencecloud.engine.endpoint import Busy, Endpoint, KeyRefused, RemoteFailed
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.requests import FinishReason, InvalidSampling, Request
from inferencecloud.engine.serial import Chunk, ModelNotLoaded, SerialEngine, Turn

logger = logging.getLogger(__name__)

_LISTEN_S = 0.05  # so soon a cancel is heard
_CHARACTERS_PER_TOKEN = 4.0
_NEW_SHARE = 0.2  # of the newest observation in the known speed


class RemoteOnly(EngineError):
    """The engine has no folders."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"Wanted a server to connect to, got the folder {folder}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfig:
    """How patient the engine is."""

    workers: int = 16  # requests under way at once
    connect_s: float = 10.0
    first_token_s: float = 120.0
    between_tokens_s: float = 60.0
    attempts: int = 4
    back_off_s: float = 0.5  # before the second attempt; doubled before each further one
    longest_wait_s: float = 30.0  # whatever a server's Retry-After says

    def __post_init__(self) -> None:
        for name in ("workers", "attempts"):
            if getattr(self, name) < 1:
                raise InvalidSampling(name, "at least 1", getattr(self, name))


@dataclass(slots=True)
class _Model:
    """A model that is connected, and how fast it was lately."""

    endpoint: Endpoint
    info: ModelInfo


_Event = wire.Said | EngineError | None  # None: it has ended


class RemoteEngine(SerialEngine):
    """Writes through servers; has as many requests under way as it has workers."""

    def __init__(self, config: RemoteConfig | None = None) -> None:
        self.config = config or RemoteConfig()
        super().__init__(workers=self.config.workers)
        self._models: dict[str, _Model] = {}
        self._clients: dict[
            bool, httpx.AsyncClient
        ] = {}  # by whether private addresses are allowed
        self._loop = asyncio.new_event_loop()
        self._looping = threading.Thread(
            target=self._loop.run_forever, name="engine-remote", daemon=True
        )
        self._looping.start()

    def connect(self, endpoint: Endpoint, *, key: str) -> ModelInfo:
        """Make the server's model known under the key, after a look whether it is there.

        Raises:
            AddressRefused: The server lies where none may be called.
            RemoteFailed: It cannot be reached, or refuses the key or the model.
        """
        context_tokens = asyncio.run_coroutine_threadsafe(self._look(endpoint), self._loop).result()
        info = ModelInfo(
            key=key,
            name=f"{endpoint.model} at {endpoint.host}",
            digest=endpoint.digest,
            context_tokens=context_tokens or endpoint.context_tokens,
            prefill_tokens_per_s=2000.0,  # until there is something to go by
            decode_tokens_per_s=40.0,
        )
        self._models = {**self._models, key: _Model(endpoint, info)}
        return info

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        """Return what is connected under the key; there are no folders here.

        Raises:
            RemoteOnly: Nothing is connected under the key.
        """
        if key not in self._models:
            raise RemoteOnly(folder)
        return self._models[key].info

    def unload(self, key: str) -> None:
        """Forget the model; what is being written is written to its end."""
        self._models = {k: model for k, model in self._models.items() if k != key}

    def models(self) -> list[ModelInfo]:
        """Return the connected models."""
        return [model.info for model in self._models.values()]

    def count_tokens(self, key: str, text: str) -> int:
        """Return about how many tokens the text is: only the server knows."""
        self._get(key)
        return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)

    def estimate_s(self, key: str, *, prompt_tokens: int, new_tokens: int) -> float:
        """Return about how many seconds such a request takes, by those before."""
        info = self._get(key).info
        return prompt_tokens / info.prefill_tokens_per_s + new_tokens / info.decode_tokens_per_s

    def close(self) -> None:
        """Cancel what is under way, and close the connections."""
        SerialEngine.close(self)
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close_clients(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._looping.join()
        self._loop.close()

    def _get(self, key: str) -> _Model:
        model = self._models.get(key)
        if model is None:
            raise ModelNotLoaded(key, list(self._models))
        return model

    def _require_model(self, key: str) -> None:
        self._get(key)

    def _generate(self, request: Request, turns: Sequence[Turn]) -> Iterator[Chunk]:
        model = self._get(request.model)
        answer = Answer(request)
        yield Chunk(reason=FinishReason.LENGTH if answer.tokens_left < 1 else None)
        asked = wire.body(
            model.endpoint.model,
            turns,
            replace(request.sampling, max_new_tokens=answer.tokens_left),
            so_far=request.resume.text if request.resume else "",
            extended=model.endpoint.extended,
        )
        events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        streaming = asyncio.run_coroutine_threadsafe(
            self._stream(model.endpoint, asked, events), self._loop
        )
        try:
            yield from answer.chunks(_listen(events))
        except KeyRefused:
            self.unload(request.model)  # who connects it again brings the key that is known then
            raise
        finally:
            streaming.cancel()
            self._note(request.model, answer)

    def _note(self, key: str, answer: Answer) -> None:
        """Let the known speed follow what was seen."""
        model = self._models.get(key)
        if model is None or answer.decode_tokens_per_s is None:
            return
        before = model.info.decode_tokens_per_s
        now = before + _NEW_SHARE * (answer.decode_tokens_per_s - before)
        model.info = replace(model.info, decode_tokens_per_s=now)

    def _client(self, endpoint: Endpoint) -> httpx.AsyncClient:
        private = endpoint.allow_private
        if private not in self._clients:
            self._clients[private] = httpx.AsyncClient(
                transport=PinnedTransport(allow_private=private),
                timeout=httpx.Timeout(None, connect=self.config.connect_s),
                trust_env=False,
            )
        return self._clients[private]

    async def _close_clients(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def _look(self, endpoint: Endpoint) -> int | None:
        """Return the context (tokens) that the server tells of its model; None when it does not."""
        for attempt in range(1, self.config.attempts + 1):
            try:
                async with asyncio.timeout(self.config.connect_s):
                    answer = await self._client(endpoint).get(
                        endpoint.url("models"), headers=endpoint.headers()
                    )
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return None  # it has no list of models
                endpoint.check(answer, answer.text)
                return endpoint.listed_context(answer)
            except (httpx.TransportError, TimeoutError, Busy) as problem:
                await self._wait_or_fail(endpoint, problem, attempt)
        raise AssertionError  # the last attempt either returns or raises

    async def _stream(
        self, endpoint: Endpoint, asked: wire.Json, events: queue.SimpleQueue[_Event]
    ) -> None:
        """Put what the server says into the queue, an error at the end of it if there is one."""
        try:
            await self._attempts(endpoint, asked, events)
        except EngineError as problem:
            events.put(problem)
        except TimeoutError:
            events.put(RemoteFailed(f"The server at {endpoint.host} said nothing for too long."))
        except httpx.HTTPError:
            events.put(RemoteFailed(endpoint.broken()))
        events.put(None)

    async def _attempts(
        self, endpoint: Endpoint, asked: wire.Json, events: queue.SimpleQueue[_Event]
    ) -> None:
        for attempt in range(1, self.config.attempts + 1):
            begun = False
            try:
                async for said in self._ask(endpoint, asked):
                    begun = begun or bool(said.text)
                    events.put(said)
            except (httpx.TransportError, Busy) as problem:
                if begun:
                    raise
                await self._wait_or_fail(endpoint, problem, attempt)
            else:
                return

    async def _ask(self, endpoint: Endpoint, asked: wire.Json) -> AsyncIterator[wire.Said]:
        """Yield what one attempt brings."""
        headers = endpoint.headers()
        url = endpoint.url("chat/completions")
        async with asyncio.timeout(self.config.first_token_s) as patience:
            async with self._client(endpoint).stream(
                "POST", url, json=asked, headers=headers
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    text = (await answer.aread()).decode(errors="replace")
                    endpoint.check(answer, text)
                is_over = False
                async for said in wire.events(answer.aiter_lines()):
                    now = asyncio.get_running_loop().time()
                    patience.reschedule(now + self.config.between_tokens_s)
                    is_over = is_over or said.is_done or said.finish is not None
                    yield said
        if not is_over:
            raise wire.StreamBroken(endpoint.broken())

    async def _wait_or_fail(self, endpoint: Endpoint, problem: Exception, attempt: int) -> None:
        """Wait before the next attempt; raise what the problem is after the last one."""
        if attempt == self.config.attempts:
            why = str(problem) if isinstance(problem, Busy) else endpoint.unreachable(problem)
            raise RemoteFailed(f"{why} Tried {attempt} times.") from problem
        told = problem.wait_s if isinstance(problem, Busy) else None
        wait_s = self.config.back_off_s * 2 ** (attempt - 1) if told is None else told
        logger.info("model %s at %s: attempt %d failed", endpoint.model, endpoint.host, attempt)
        await asyncio.sleep(min(wait_s, self.config.longest_wait_s))


def _listen(events: queue.SimpleQueue[_Event]) -> Iterator[wire.Said | None]:
    """Yield what a server says, and None while it is silent.

    Raises:
        EngineError: What ended it.
    """
    while True:
        try:
            event = events.get(timeout=_LISTEN_S)
        except queue.Empty:
            yield None
            continue
        if event is None:
            return
        if isinstance(event, EngineError):
            raise event
        yield event
