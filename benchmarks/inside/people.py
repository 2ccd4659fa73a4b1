"""People of benchmarks/load.py without a document: who presses Update, and who goes from page to page."""

import json
import time
import uuid
from dataclasses import dataclass, field
from itertools import cycle

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

SCHEMA = 1  # apps.notebooks.models.SCHEMA_VERSION, which only Django can import
TOKEN = "a" * 32
THINK_S = 3.0  # between two presses
READ_S = 0.5  # between two pages
WORDS_WITHIN_S = 30.0


class Refused(Exception):
    """A server did not answer well."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Percentiles."""

    @staticmethod
    def of(values: list[float]) -> dict[str, float]:
        """Return how many there are, and what most stay below."""
        ordered = sorted(values)
        at = {
            f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
            for share in (50, 95, 99)
        }
        return {"count": len(ordered), **at}


@dataclass(kw_only=True)
class Presser:
    """Presses Update again and again, and looks at the notebook's socket for the first words."""

    url: str
    notebook: str
    session: str
    cells: list[str]
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Sign in."""
        cookie = f"sessionid={self.session}; csrftoken={TOKEN}"
        self.headers = {"Cookie": cookie, "X-CSRFToken": TOKEN}

    def press_until(self, until: float) -> list[float]:
        """Press until then; return the milliseconds to the first words of each press."""
        found = []
        while time.monotonic() < until:
            took = self.press()
            if took is not None:
                found.append(took)
            time.sleep(THINK_S)
        return found

    def press(self) -> float | None:
        """Press Update once; None when no words came in time."""
        address = f"{self.url.replace('http', 'ws', 1)}/ws/notebooks/{self.notebook}/"
        try:
            with connect(
                address,
                additional_headers={"Cookie": self.headers["Cookie"]},
                origin=self.url,  # type: ignore[arg-type]  # any string is an Origin
                max_size=2**26,
                compression=None,
                close_timeout=1,
            ) as socket:
                return self._press_on(socket)
        except (OSError, WebSocketException):
            return None

    def _press_on(self, socket: ClientConnection) -> float | None:
        hello = {"type": "hello", "schema": SCHEMA, "client": 7, "seq": 0}
        socket.send(json.dumps(hello))
        while not isinstance(socket.recv(10), bytes):
            pass  # the document comes after the welcome
        form = {"key": str(uuid.uuid4()), "cells": ",".join(self.cells)}
        pressed = time.perf_counter()
        answer = httpx.post(
            f"{self.url}/n/{self.notebook}/chain/run/",
            data=form,
            headers=self.headers,
            timeout=WORDS_WITHIN_S,
        )
        if not answer.is_success:
            raise Refused(answer.status_code, answer.text[:300])
        run = answer.json()["run"]
        first = None
        try:
            while True:
                heard = socket.recv(WORDS_WITHIN_S)
                said = json.loads(heard) if isinstance(heard, str) else {}
                if said.get("run") != run:
                    continue
                if said["type"] == "inference.delta" and first is None:
                    first = (time.perf_counter() - pressed) * 1000
                if said["type"] == "inference.run" and said["status"] not in ("queued", "running"):
                    return first
        except TimeoutError:
            return first


@dataclass(kw_only=True)
class Browser:
    """Goes from page to page."""

    url: str
    session: str
    paths: list[str]

    def browse_until(self, until: float) -> list[float]:
        """Fetch pages until then; return the milliseconds that each took."""
        found = []
        paths = cycle(self.paths)
        headers = {"Cookie": f"sessionid={self.session}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            while time.monotonic() < until:
                begun = time.perf_counter()
                answer = client.get(next(paths))
                if answer.status_code != httpx.codes.OK:
                    raise Refused(answer.status_code, answer.text[:300])
                found.append((time.perf_counter() - begun) * 1000)
                time.sleep(READ_S)
        return found
