"""An editor who means harm: nobody else's edit is refused, no document and no process breaks."""

import base64
import json
import subprocess
from typing import Any

import pytest
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from apps.notebooks import crdt, document, execution, history, mirrors, structs
from apps.notebooks.models import DocUpdate, Notebook
from apps.notebooks.services import forks, notebooks, updates
from apps.notebooks.services.updates import Incoming, Refusal
from tests import factories
from tests.notebooks.hostile import (
    ELEMENT,
    WORDS,
    after,
    nested,
    number,
    piece,
    string,
    update,
    value,
)
from tests.servers import ROOT

MAIN = """
import * as Y from "yjs";
const [updates] = JSON.parse(process.argv[1]);
const doc = new Y.Doc();
for (const update of updates) Y.applyUpdate(doc, Uint8Array.from(Buffer.from(update, "base64")));
console.log(JSON.stringify({
  text: doc.getXmlFragment("document").toString(),
  vector: Buffer.from(Y.encodeStateVector(doc)).toString("hex"),
}));
"""


@pytest.fixture(autouse=True)
def no_mirrors() -> None:
    mirrors.forget_all()


@pytest.fixture
def notebook(company: factories.Company) -> Notebook:
    return factories.notebook(company.launches, text="Hello")


class Typist:
    """Somebody who means no harm: types word after word below the same client."""

    def __init__(self, notebook: Notebook, client: int = 7) -> None:
        self.notebook = notebook
        self.doc: Doc = Doc(client_id=client)
        for payload in payloads(notebook):
            self.doc.apply_update(payload)
        self.fragment = self.doc.get("document", type=XmlFragment)

    def types(self, words: str) -> bytes:
        before = self.doc.get_state()
        self.fragment.children.append(XmlElement("paragraph", {}, [XmlText(words)]))
        return bytes(self.doc.get_update(before))


def payloads(notebook: Notebook) -> list[bytes]:
    rows = DocUpdate.objects.filter(document=notebook.pk).order_by("seq")
    return [bytes(row) for row in rows.values_list("payload", flat=True)]


def append(notebook: Notebook, *payloads: bytes) -> list[Refusal | None]:
    incoming = [Incoming(user_id=notebook.owner_id, payload=payload) for payload in payloads]
    batch = updates.append(notebook_id=notebook.pk, incoming=incoming)
    return [outcome.refusal for outcome in batch.outcomes]


def words_of(notebook: Notebook) -> str:
    stored = history.whole(notebook.document).updates[0]
    return document.plain_text(document.decode(stored))


def in_a_browser(notebook: Notebook) -> Any:
    """Return what Yjs itself makes of the stored rows."""
    written = json.dumps([[base64.b64encode(one).decode() for one in payloads(notebook)]])
    command = ["node", "--input-type=module", "--eval", MAIN, written]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def on_the_server(notebook: Notebook) -> Any:
    doc = crdt.loaded(crdt.merge(payloads(notebook)))
    return {"text": str(doc.get("document", type=XmlFragment)), "vector": doc.get_state().hex()}


# --- pieces that wait for somebody else's ---------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("place", range(8))
def test_what_waits_below_anothers_next_words_gets_nothing_refused(
    notebook: Notebook, place: int, restarted: bool
) -> None:
    victim = Typist(notebook)
    assert append(notebook, update(9, 0, piece((7, place)), piece((9, 0)))) == [None]
    if restarted:
        mirrors.forget_all()
    assert append(notebook, victim.types("first"), victim.types("second")) == [None, None]
    assert append(notebook, victim.types("third")) == [None]
    mirrors.forget_all()
    assert append(notebook, victim.types("fourth")) == [None]
    assert all(word in words_of(notebook) for word in ("first", "second", "third", "fourth"))
    found, wanted = on_the_server(notebook), in_a_browser(notebook)
    assert found["text"] == wanted["text"]
    assert structs.read(crdt.squash(crdt.merge(payloads(notebook))))


def test_what_hangs_below_no_type_is_refused_where_it_waits_for_nobody(notebook: Notebook) -> None:
    victim = Typist(notebook)
    append(notebook, victim.types("first"))
    assert append(notebook, update(9, 0, piece((7, 3)))) == [Refusal.INVALID]
    assert append(notebook, victim.types("second")) == [None]


def test_a_document_that_dropped_a_piece_is_compacted_copied_and_read(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "KEEP_ROWS", 0)
    victim = Typist(notebook)
    append(notebook, update(9, 0, piece((7, 3))))
    append(notebook, victim.types("first"), victim.types("second"))
    before = in_a_browser(notebook)
    copy = notebooks.duplicate_notebook(
        notebook=notebook, by=notebook.owner, workspace=notebook.workspace
    )
    assert "second" in words_of(copy)
    execution.project(notebook.pk)
    assert execution.compact(notebook.pk) == 4
    mirrors.forget_all()
    assert append(notebook, victim.types("third")) == [None]
    assert on_the_server_from_snapshot(notebook)["text"].startswith(before["text"])


def on_the_server_from_snapshot(notebook: Notebook) -> Any:
    doc = crdt.loaded(history.whole(notebook.document).updates[0])
    return {"text": str(doc.get("document", type=XmlFragment))}


@pytest.mark.parametrize("half", range(9))
def test_pointing_between_the_halves_of_an_emoji_damages_no_snapshot(
    notebook: Notebook, half: int
) -> None:
    victim = Typist(notebook)
    append(notebook, victim.types("a🚀b"))
    append(notebook, update(9, 0, after((7, half), (7, half + 1))))
    append(notebook, victim.types("second"))
    stored = crdt.merge(payloads(notebook))
    squashed = crdt.squash(stored)
    assert structs.ends(squashed) == structs.ends(stored)
    assert crdt.loaded(squashed).get_state() == crdt.loaded(stored).get_state()
    assert "cond" in document.plain_text(document.decode(squashed))  # the x may stand in it


@pytest.mark.parametrize("ahead", [0, 5])
def test_a_piece_that_waits_for_its_own_client_is_refused(notebook: Notebook, ahead: int) -> None:
    victim = Typist(notebook)
    for one in (piece((9, ahead)), after((9, ahead), (7, 0)), after((7, 0), (9, ahead))):
        assert append(notebook, update(9, 0, one)) == [Refusal.INVALID]
    assert append(notebook, victim.types("on we go")) == [None]
    assert "on we go" in in_a_browser(notebook)["text"]


# --- depth ----------------------------------------------------------------------------------------


def test_ten_thousand_nested_elements_are_refused(notebook: Notebook) -> None:
    victim = Typist(notebook)
    assert append(notebook, nested(10_000)) == [Refusal.INVALID]
    assert append(notebook, victim.types("on we go")) == [None]
    assert "on we go" in words_of(notebook)


@pytest.mark.parametrize("root", ["document", "elsewhere"])
def test_nesting_bit_by_bit_ends_at_the_same_depth(notebook: Notebook, root: str) -> None:
    victim = Typist(notebook)
    refusals = append(notebook, nested(30, below=root))
    for clock in range(30, 300, 30):
        refusals += append(notebook, nested(30, clock=clock, below=(9, clock - 1)))
    assert refusals[:3] == [None, None, None]
    assert refusals[4] == Refusal.INVALID
    assert append(notebook, victim.types("on we go")) == [None]
    assert structs.depth(crdt.merge(payloads(notebook))) <= crdt.DEPTH_LIMIT


def test_nesting_from_the_inside_outwards_is_refused_too(notebook: Notebook) -> None:
    victim = Typist(notebook)
    refusals = []
    for clock in range(0, 300, 30):  # each waits for the one after it
        refusals += append(notebook, nested(30, client=900 - clock, below=(900 - clock - 30, 29)))
    assert refusals[:4] == [None, None, None, Refusal.INVALID]
    assert structs.depth(crdt.merge(payloads(notebook))) <= crdt.DEPTH_LIMIT
    assert append(notebook, victim.types("on we go")) == [None]


def test_whoever_makes_fit_what_another_left_waiting_is_not_refused(notebook: Notebook) -> None:
    victim = Typist(notebook)
    assert append(notebook, nested(90, below=(7, 0))) == [None]
    for number_of in range(40):
        assert append(notebook, victim.types(str(number_of))) == [None]
    document.decode(history.whole(notebook.document).updates[0])


def test_a_legitimate_paste_of_many_blocks_is_taken(notebook: Notebook) -> None:
    victim = Typist(notebook)
    before = victim.doc.get_state()
    with victim.doc.transaction():
        for line in range(300):
            victim.fragment.children.append(XmlElement("paragraph", {}, [XmlText(str(line))]))
    assert append(notebook, bytes(victim.doc.get_update(before))) == [None]


def test_a_copy_that_is_too_deep_is_not_kept(notebook: Notebook) -> None:
    with pytest.raises(forks.UnreadableCopy):
        forks.fork_notebook(notebook=notebook, by=notebook.owner, content=nested(5_000))


# --- what JavaScript could not read, or what would end the process ---------------------------------

UNREADABLE = {
    "lists in lists": update(9, 0, piece("document", value(100_000))),
    "lists a little too deep": update(9, 0, piece("document", value(70))),
    "a type of yrs alone": update(9, 0, piece("document", (7, number(7)))),
    "content of yrs alone": update(9, 0, piece("document", (11, b"\x00" * 8))),
    "a value of no kind": update(9, 0, piece("document", (8, number(1) + b"\x01"))),
    "a client beyond JavaScript": update(2**53, 0, piece("document")),
    "a clock beyond yrs": update(9, 2**31, piece("document")),
    "an empty piece": update(9, 0, piece("document", (4, b"\x00"))),
    "a gap with properties": update(9, 0, b"\x80" + number(3)),
    "half a letter": update(9, 0, piece("document", (4, number(1) + b"\xc3"))),
    "cut off": update(9, 0, piece("document"))[:8],
    "cut off in a word": update(9, 0, piece("document", (4, number(90) + b"x"))),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_no_page_could_read_is_refused(notebook: Notebook, name: str) -> None:
    assert append(notebook, UNREADABLE[name]) == [Refusal.INVALID]
    assert len(payloads(notebook)) == 1


def test_values_of_every_kind_are_read() -> None:
    doc: Doc = Doc(client_id=1)
    element = XmlElement("image", {})
    doc.get("document", type=XmlFragment).children.append(element)
    values = {"text": "x", "whole": -5, "big": 2**52, "half": 0.5, "none": None, "yes": True}
    element.attributes["all"] = {**values, "list": [values, [], {}], "bytes": b"\x01"}
    state = bytes(doc.get_update())
    assert crdt.clean(state) == state
    assert structs.count_types(state) == 1


@pytest.mark.parametrize("written", ["[" * 100_000, '{"a":' * 100_000])
def test_an_attribute_that_holds_deep_json_breaks_no_reading(
    notebook: Notebook, written: str
) -> None:
    victim = Typist(notebook)
    before = victim.doc.get_state()
    cell = "0190b0a0-0000-7000-8000-000000000001"
    attributes = {"cellId": cell, "params": written, "required": written}
    victim.fragment.children.append(XmlElement("promptCell", attributes))
    assert append(notebook, bytes(victim.doc.get_update(before))) == [None]
    execution.project(notebook.pk)


def test_elements_in_a_circle_are_refused(notebook: Notebook) -> None:
    circle = update(9, 0, piece((8, 0), ELEMENT))
    other = update(8, 0, piece((9, 0), ELEMENT))
    append(notebook, circle, other)
    assert append(notebook, Typist(notebook).types("on we go")) == [None]
    assert structs.defused(update(9, 0, piece((9, 0), WORDS)))
    assert string("é") == b"\x02\xc3\xa9"
