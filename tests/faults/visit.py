"""People in the storm: who presses Update and releases, who writes in results, who looks on."""

import asyncio
import itertools
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from pycrdt import XmlElement, XmlText

from tests.visitors import TLS_PROXY, Writer

EDITED = "mail"  # the cell in whose result people write
PATIENCE_S = 15.0  # with one run; then it is left to itself and the next is pressed


@dataclass(kw_only=True)
class Presser:
    """Presses Update in a notebook, waits for the texts, releases and downloads; asks again until told.

    Whatever was answered well is kept account of: that is what must be there afterwards.
    """

    name: str
    urls: list[str]
    notebook: str
    cells: dict[str, str]
    cookie: str
    runs: dict[str, str] = field(default_factory=dict)  # by the key that was sent
    releases: list[tuple[str, str, int]] = field(default_factory=list)
    downloads: int = 0
    refused: list[str] = field(default_factory=list)

    async def press_until(self, enough: asyncio.Event) -> None:
        """Go on until told to stop; what was begun is seen to its end."""
        headers = {
            **TLS_PROXY,
            "Accept": "application/json",
            "Cookie": self.cookie,
            "X-CSRFToken": _token(self.cookie),
        }
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:
            for number in itertools.count():
                if enough.is_set():
                    return
                await self._press_once(client, f"press-{self.name}-{number}")

    async def _press_once(self, client: httpx.AsyncClient, key: str) -> None:
        wanted = {"key": key, "cells": ",".join(self.cells.values())}
        begun = await self._ask(client, "run/", wanted)
        if begun is not None:
            self.runs[key] = begun["run"]
            await self._wait_for_end(client)
        for cell in self.cells.values():
            made = await self._ask(client, f"cells/{cell}/release/", {})
            if made is not None:
                self.releases.append((self.notebook, cell, made["release"]))
        if await self._ask(client, "../downloaded/", {}) is not None:
            self.downloads += 1

    async def _wait_for_end(self, client: httpx.AsyncClient) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            shown = await self._ask(client, "", None)
            if shown and not any(run["status"] in {"queued", "running"} for run in shown["runs"]):
                return
            await asyncio.sleep(0.3)

    async def _ask(
        self, client: httpx.AsyncClient, path: str, form: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """Ask one server after the other until there is an answer; None for a refusal."""
        for url in itertools.cycle(self.urls):
            place = f"{url}/n/{self.notebook}/chain/{path}".replace("/chain/../", "/")
            try:
                if form is None:
                    answer = await client.get(place)
                else:
                    answer = await client.post(
                        place, data=form, headers={"Referer": url.replace("http:", "https:") + "/"}
                    )
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.is_success:
                return answer.json() if answer.content else {}
            if answer.is_client_error or answer.is_redirect:
                self.refused.append(f"{path} {answer.status_code} {answer.text[:200]}")
                return None
            await asyncio.sleep(0.1)
        return None


def _token(cookie: str) -> str:
    return cookie.rpartition("csrftoken=")[2].partition(";")[0]


class Editor(Writer):
    """Adds paragraphs to the result of a cell once a model has written it; models leave those alone."""

    def _type(self) -> tuple[int, bytes]:
        result = self._result()
        if result is None or not re.sub(r"<[^>]*>", "", str(result)).strip():
            return super()._type()
        self._written += 1
        token = f"[{self.name}-{self._written}]"
        before = self.doc.get_state()
        result.children.append(XmlElement("paragraph", {}, [XmlText(token)]))
        update = self.doc.get_update(before)
        self.pending[self._written] = (token, update)
        return self._written, update

    def _result(self) -> XmlElement | None:
        for block in self.fragment.children:
            if isinstance(block, XmlElement) and dict(block.attributes).get("name") == EDITED:
                return next(part for part in block.children if part.tag == "cellResult")
        return None


class Onlooker(threading.Thread):
    """Reads the database all the time: what it saw committed must stand there for good."""

    QUERIES = (
        "SELECT id::text, sha256 FROM inference_output",
        "SELECT id::text, final_sha256 FROM learning_editrecord",
    )
    OPEN = (
        "SELECT to_jsonb(r) FROM inference_run r WHERE status IN ('queued', 'running')",
        "SELECT to_jsonb(s) - 'prompt' FROM inference_steprun s JOIN inference_run r ON r.id = run_id"
        " WHERE r.status IN ('queued', 'running')",
        "SELECT to_jsonb(d) FROM inference_delivery d WHERE delivered_at IS NULL",
        "SELECT to_jsonb(c) FROM notebooks_cell c WHERE settle_due <> ''",
    )

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._ended = threading.Event()
        self.seen: dict[str, str] = {}

    def run(self) -> None:
        while not self._ended.wait(0.2):
            try:
                with psycopg.connect(self._url, connect_timeout=2, autocommit=True) as connection:
                    while not self._ended.wait(0.2):
                        self.seen |= self._look(connection)
            except psycopg.Error:
                continue

    def end(self) -> set[str]:
        """Stop looking; return what was seen and is not there any more, or is something else."""
        self._ended.set()
        self.join(10)
        with psycopg.connect(self._url) as connection:
            return set(self.seen.items()) - set(self._look(connection).items())

    def unfinished(self) -> list[Any]:
        """Return what is left to do: runs with their steps, deliveries and cells that settle."""
        with psycopg.connect(self._url) as connection:
            return [row for query in self.OPEN for row in connection.execute(query.encode())]

    def _look(self, connection: psycopg.Connection[Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for query in self.QUERIES:
            found |= dict(connection.execute(query.encode()).fetchall())
        return found
