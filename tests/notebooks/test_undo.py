"""Undo leaves everybody with one document, whatever the network and the server do with its updates.

docs/adr/0009-undo.md tells what Yjs does by itself; the tests say so when that is over.
"""

import json
import random
import subprocess
from base64 import b64decode, b64encode
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, XmlFragment

from apps.notebooks import crdt

SCRIPTS = Path(__file__).parent / "js"
SEEDS, OPERATIONS = (1, 48), 150


def node(script: str, *words: object, given: str = "") -> subprocess.CompletedProcess[str]:
    command = ["node", str(SCRIPTS / script), *[str(word) for word in words]]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def written(first: int, last: int, operations: int, *more: str) -> list[dict[str, Any]]:
    done = node("convergence.mjs", first, last, operations, *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_undo_brings_back_stands_where_everybody_reads_it() -> None:
    done = node("undo.mjs")
    assert done.returncode == 0, done.stderr


def test_people_who_undo_at_once_have_one_document() -> None:
    (plain,) = written(44, 44, 200, "plain")
    (ours,) = written(44, 44, 200)
    assert (plain["documents"], ours["documents"]) == (2, 1)


def test_undo_finds_what_it_reaches_for() -> None:
    plain = node("convergence.mjs", 129, 129, 200, "plain")
    (ours,) = written(129, 129, 200)
    assert "TypeError" in plain.stderr
    assert ours["documents"] == 1


@pytest.fixture(scope="module")
def histories() -> list[dict[str, Any]]:
    return written(*SEEDS, OPERATIONS)


def test_every_history_ends_in_one_document(histories: list[dict[str, Any]]) -> None:
    assert len(histories) == SEEDS[1]
    assert [one["seed"] for one in histories if one["documents"] != 1] == []


def test_the_server_keeps_the_document_that_it_was_sent(histories: list[dict[str, Any]]) -> None:
    kept = [stored(history) for history in histories]
    assert [text_of(state) for state in kept] == [history["text"] for history in histories]
    read = node("read.mjs", given="\n".join(b64encode(state).decode() for state in kept))
    assert read.stdout.splitlines() == [history["text"] for history in histories]


def stored(history: dict[str, Any]) -> bytes:
    """Do with the updates what the server does, in an order in which they may come; return the state.

    They come in the order of each author, some merged by the page, some twice, are compacted now and
    then, and are asked for by somebody who has a part of them.
    """
    chance = random.Random(history["seed"])
    coming: dict[int, deque[bytes]] = {}
    for author, update in history["updates"]:
        coming.setdefault(author, deque()).append(crdt.clean(b64decode(update)))
    mirror = crdt.Mirror(epoch=None, seq=0, state=crdt.EMPTY)
    snapshot, rows, part = crdt.EMPTY, [], crdt.EMPTY
    while authors := [author for author, waiting in coming.items() if waiting]:
        waiting = coming[chance.choice(authors)]
        some = [waiting.popleft() for _ in range(min(len(waiting), chance.randint(1, 4)))]
        row = crdt.merge(some)
        mirror.apply(row)
        rows += [row] * chance.choice([1] * 9 + [2])
        if len(rows) > 20:
            snapshot = crdt.squash(crdt.merge([snapshot, *rows[:15]]))
            rows = rows[15:]
            part = snapshot if chance.random() < 0.3 else part
    whole = crdt.merge([snapshot, *rows])
    has = doc_of(part)
    has.apply_update(crdt.missing(whole, bytes(has.get_state())))
    assert str(has.get("document", type=XmlFragment)) == history["text"]
    return crdt.squash(whole)


def doc_of(state: bytes) -> Doc:
    doc: Doc = Doc()
    doc.apply_update(state)
    return doc


def text_of(state: bytes) -> str:
    return str(doc_of(state).get("document", type=XmlFragment))
