"""Where a model of another server is found, and what that server's refusals mean in plain words."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from inferencecloud.engine.addresses import check_url
from inferencecloud.engine.errors import EngineError

_BUSY = {408, 425, 429, 500, 502, 503, 504, 529}
_SHOWN_CHARACTERS = 300  # of what a server says


class RemoteFailed(EngineError):
    """A server did not do what was asked; the message says in plain words why."""


class KeyRefused(RemoteFailed):
    """A server does not accept the key."""


class Busy(Exception):
    """A server has no time now, or something in it failed."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s  # as the server asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model at an OpenAI-compatible server."""

    base_url: str  # up to and with /v1
    model: str  # its name there
    api_key: str = field(default="", repr=False)
    context_tokens: int = 8192  # where the server does not tell
    extended: bool = False  # knows vLLM's further parameters
    allow_private: bool = False  # may lie in the operator's own network

    def __post_init__(self) -> None:
        check_url(self.base_url)

    @property
    def digest(self) -> str:
        """Return what stands for the digest of its weights, which nobody here knows."""
        return hashlib.sha256(f"{self.base_url}\n{self.model}".encode()).hexdigest()

    @property
    def host(self) -> str:
        """Return the server's name, for people."""
        return urlsplit(self.base_url).netloc

    def url(self, path: str) -> str:
        """Return the address of one of its services."""
        return f"{self.base_url.rstrip('/')}/{path}"

    def headers(self) -> dict[str, str]:
        """Return what shows who asks."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def check(self, answer: httpx.Response, text: str) -> None:
        """Raise what an answer other than 200 means; `text` is what it says.

        Raises:
            Busy: It may do better later.
            RemoteFailed: It will not.
        """
        status = answer.status_code
        if status == httpx.codes.OK:
            return
        said = self._words(text)
        where = f"The server at {self.host}"
        if status in _BUSY:
            state = "has too many requests" if status == 429 else f"failed ({status})"
            raise Busy(f"{where} {state}{said}.", _retry_after_s(answer))
        if status in {401, 403}:
            raise KeyRefused(f"{where} refused the key ({status}): give this model another one.")
        if status == 404:
            raise RemoteFailed(f"{where} knows no model {self.model}{said}.")
        raise RemoteFailed(f"{where} refused the request ({status}){said}.")

    def listed_context(self, answer: httpx.Response) -> int | None:
        """Return the context (tokens) that the list of models tells; None where it tells none.

        Raises:
            RemoteFailed: The list is none, or the model is not on it.
        """
        try:
            listed = {str(one["id"]): one for one in answer.json()["data"]}
        except (ValueError, TypeError, KeyError) as error:
            raise RemoteFailed(
                f"Wanted a list of models from {self.url('models')}, got something else: "
                "is that the address of an OpenAI-compatible server, with /v1?"
            ) from error
        if self.model not in listed:
            known = ", ".join(sorted(listed)[:10]) or "none"
            raise RemoteFailed(
                f"The server at {self.host} knows no model {self.model}; it knows {known}."
            )
        context = listed[self.model].get("max_model_len")
        return context if isinstance(context, int) and context > 1 else None

    def broken(self) -> str:
        """Return the words for a connection that ended in the middle."""
        return f"The server at {self.host} broke off in the middle of the text."

    def unreachable(self, problem: Exception) -> str:
        """Return the words for a server that does not answer."""
        why = str(problem) or "it did not answer in time"
        return f"The server at {self.host} cannot be reached: {why[:_SHOWN_CHARACTERS]}."

    def _words(self, text: str) -> str:
        """Return what the server says, behind a colon; never the key."""
        try:
            said = json.loads(text)
            said = said.get("error", said)
            said = said.get("message", said) if isinstance(said, dict) else said
        except (ValueError, AttributeError):
            said = ""  # a page for people, of a proxy
        words = " ".join(str(said).split())[:_SHOWN_CHARACTERS].rstrip(".")
        if self.api_key:
            words = words.replace(self.api_key, "***")
        return f": {words}" if words else ""


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds that the answer asks to wait: a number, or a date."""
    told = answer.headers.get("Retry-After", "")
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
