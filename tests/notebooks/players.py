"""Plays histories of edits (histories.py) on a stored document, each person on a copy of their own.

What a browser does is done here with the same Yjs operations: a move takes text out and puts it in again
with its marks, a paragraph is divided by putting its end into a new one, an undo is Yjs's.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from pycrdt import Doc, UndoManager, XmlElement, XmlFragment, XmlText

from apps.accounts.models import User
from apps.inference.models import OutboxRow, Output
from apps.inference.outbox import Message
from apps.inference.specs import Subject
from apps.notebooks.document import FRAGMENT
from apps.notebooks.models import Notebook
from apps.notebooks.projection import project
from apps.notebooks.services import adoption
from tests.learning import builders
from tests.notebooks import writers
from tests.notebooks.writers import cell_id

MINE, THEIRS = "mine", "theirs"
Run = tuple[str, dict[str, Any] | None]  # words under one formatting


class Copy:
    """A person's copy of the document, as their browser has it."""

    def __init__(self, book: Notebook, user: User) -> None:
        self.book, self.user = book, user
        self.doc: Doc = Doc()
        self.fragment = self.doc.get(FRAGMENT, type=XmlFragment)
        self.hear()
        self.history = UndoManager(scopes=[self.fragment], capture_timeout_millis=0)
        self.history.include_origin(MINE)

    def hear(self) -> None:
        """Take what everybody else has written."""
        with self.doc.transaction(origin=THEIRS):
            self.doc.apply_update(writers.state_of(self.book))

    def change(self, act: Callable[[], object]) -> None:
        """Do something and send what came of it."""
        before = self.doc.get_state()
        act()
        writers.append(self.book, self.user, bytes(self.doc.get_update(before)))

    def write(self, act: Callable[[], object]) -> None:
        """Do something that can be undone, as one step."""

        def written() -> None:
            with self.doc.transaction(origin=MINE):
                act()

        self.change(written)

    def home(self, name: str) -> XmlElement | XmlFragment:
        """Return where the paragraphs of a cell's result lie, or of what is below the cells."""
        for block in self.fragment.children:
            if block.attributes.get("cellId") == str(cell_id(name)):
                return block.children[1]
        return self.fragment

    def paragraphs(self, name: str) -> list[XmlElement]:
        return [one for one in self.home(name).children if one.tag == "paragraph"]

    def find(self, words: str, name: str) -> tuple[XmlText, int, int]:
        """Return the text in which the words stand, and where, counted as pycrdt does: in bytes."""
        for paragraph in self.paragraphs(name):
            for text in paragraph.children:
                before, found, _behind = said(text).partition(words)
                if found:
                    start = len(before.encode())
                    return text, start, start + len(words.encode())
        message = f"“{words}” stands nowhere in {name}"
        raise AssertionError(message)

    def end_of(self, name: str) -> tuple[XmlText, int]:
        """Return the place after everything that stands there."""
        paragraph = self.paragraphs(name)[-1]
        if not len(paragraph.children):
            paragraph.children.append(XmlText())
        text = paragraph.children[len(paragraph.children) - 1]
        return text, len(said(text).encode())


def said(text: XmlText) -> str:
    return "".join(words for words, _formatting in text.diff())


def cut(text: XmlText, start: int, end: int) -> list[Run]:
    """Return the words between the two places with their formatting."""
    found, at = [], 0
    for words, formatting in text.diff():
        encoded = words.encode()
        piece = encoded[max(0, start - at) : max(0, end - at)].decode()
        if piece:
            found.append((piece, formatting))
        at += len(encoded)
    return found


def put(text: XmlText, at: int, runs: list[Run]) -> None:
    for words, formatting in runs:
        text.insert(at, words, {"output": None, "bold": None, **(formatting or {})})
        at += len(words.encode())


class Game:
    """A notebook, the people who write in it, and the model."""

    def __init__(self, book: Notebook, people: dict[str, User], *, reads: bool) -> None:
        self.book, self.people, self.reads = book, people, reads
        self.copies = {name: Copy(book, user) for name, user in people.items()}
        self.outputs: dict[str, Output] = {}

    def play(self, step: str) -> None:
        """Do what one line says; the cells are read after it, unless all is one go."""
        for pattern, act in STEPS:
            match = pattern.fullmatch(step)
            if match:
                act(self, **match.groupdict())
                break
        else:
            message = f"nobody knows how to play “{step}”"
            raise AssertionError(message)
        if step.startswith("model"):
            for copy in self.copies.values():
                copy.hear()
        if self.reads:
            project(self.book.pk)

    def model_writes(self, name: str, text: str) -> None:
        key = f"{self.book.pk}:{cell_id('tagline')}"
        made = builders.output(self.book.organization, text, key=f"{key}", run_key=str(uuid4()))
        self.outputs[name] = made
        adoption.consume(
            [
                Message(
                    id=1,
                    kind=OutboxRow.Kind.OUTPUT_COMMITTED,
                    organization_id=str(self.book.organization_id),
                    subject=Subject(kind="notebook", id=str(self.book.pk)),
                    payload={
                        "output": str(made.pk),
                        "variants": 1,
                        "context": {"notebook": str(self.book.pk), "cell": str(cell_id("tagline"))},
                    },
                )
            ]
        )

    def adopts(self, who: str, name: str) -> None:
        user = self.people[who]
        access = writers.access(self.book, user)
        adoption.adopt(access=access, by=user, output=self.outputs[name].pk)

    def goes_back(self, who: str) -> None:
        user = self.people[who]
        adoption.back(access=writers.access(self.book, user), by=user, cell=cell_id("tagline"))

    def inserts(
        self, who: str, late: str | None, words: str, side: str, at: str, cell: str
    ) -> None:
        copy = self._copy(who, late)
        text, start, end = copy.find(at, cell or "tagline")
        place = end if side == "after" else start
        copy.write(lambda: put(text, place, [(words, None)]))

    def starts(self, who: str, words: str, cell: str) -> None:
        copy = self._copy(who, None)

        def written() -> None:
            text, place = copy.end_of(cell)
            put(text, place, [(words, None)])

        copy.write(written)

    def composes(self, who: str, words: str, at: str) -> None:
        copy = self._copy(who, None)
        text, _start, end = copy.find(at, "tagline")
        for shown, typed in (("", "k"), ("k", "ka"), ("ka", words)):  # each takes the other's place

            def composed(shown: str = shown, typed: str = typed) -> None:
                del text[end : end + len(shown)]
                put(text, end, [(typed, None)])

            copy.write(composed)

    def deletes(self, who: str, late: str | None, words: str, cell: str) -> None:
        copy = self._copy(who, late)
        text, start, end = copy.find(words, cell or "tagline")

        def taken() -> None:
            del text[start:end]

        copy.write(taken)

    def replaces(self, who: str, words: str, other: str) -> None:
        copy = self._copy(who, None)
        text, start, end = copy.find(words, "tagline")

        def exchanged() -> None:
            del text[start:end]
            put(text, start, [(other, None)])

        copy.write(exchanged)

    def clears(self, who: str) -> None:
        copy = self._copy(who, None)

        def emptied() -> None:
            for paragraph in copy.paragraphs("tagline"):
                for text in paragraph.children:
                    del text[0 : len(said(text).encode())]

        copy.write(emptied)

    def carries(
        self, who: str, how: str, words: str, source: str, side: str, at: str, cell: str
    ) -> None:
        """Move or copy the words; both are done by cutting, or not, and pasting."""
        copy = self._copy(who, None)
        text, start, end = copy.find(words, source or "tagline")
        runs = cut(text, start, end)
        if how == "moves":

            def taken() -> None:
                del text[start:end]

            copy.write(taken)
        if cell:
            copy.write(lambda: put(*copy.end_of(cell), runs))
            return
        target, first, last = copy.find(at, "tagline")
        copy.write(lambda: put(target, last if side == "after" else first, runs))

    def makes_bold(self, who: str, words: str) -> None:
        copy = self._copy(who, None)
        text, start, end = copy.find(words, "tagline")
        copy.write(lambda: text.format(start, end, {"bold": {}}))

    def splits(self, who: str, words: str) -> None:
        copy = self._copy(who, None)
        text, start, _end = copy.find(words, "tagline")

        def divided() -> None:
            runs = cut(text, start, len(said(text).encode()))
            del text[start : len(said(text).encode())]
            paragraph, behind = XmlElement("paragraph"), XmlText()
            copy.home("tagline").children.append(paragraph)
            paragraph.children.append(behind)
            put(behind, 0, runs)

        copy.write(divided)

    def joins(self, who: str) -> None:
        copy = self._copy(who, None)

        def joined() -> None:
            first, second = copy.paragraphs("tagline")
            behind = second.children[0]
            runs = cut(behind, 0, len(said(behind).encode()))
            put(first.children[0], len(said(first.children[0]).encode()), runs)
            del copy.home("tagline").children[1]

        copy.write(joined)

    def undoes(self, who: str) -> None:
        copy = self._copy(who, None)
        copy.change(copy.history.undo)

    def redoes(self, who: str) -> None:
        copy = self._copy(who, None)
        copy.change(copy.history.redo)

    def _copy(self, who: str, late: str | None) -> Copy:
        """Return the person's copy, which has heard of everything unless they are late."""
        copy = self.copies[who]
        if not late:
            copy.hear()
        return copy


def _step(pattern: str, act: Callable[..., None]) -> tuple[re.Pattern[str], Callable[..., None]]:
    return re.compile(pattern), act


WHO = r"(?P<who>Ann|Bob)"
LATE = r"(?P<late> meanwhile)?"
IN = r"(?: in (?P<cell>\w+))?"
STEPS = [
    _step(r"model writes (?P<name>\w): (?P<text>.*)", Game.model_writes),
    _step(rf"{WHO} adopts (?P<name>\w)", Game.adopts),
    _step(rf"{WHO} goes back", Game.goes_back),
    _step(
        rf'{WHO}{LATE} (?:types|pastes) "(?P<words>.+)" (?P<side>after|before) "(?P<at>.+?)"'
        rf"(?: as plain text)?{IN}",
        Game.inserts,
    ),
    _step(rf'{WHO} types "(?P<words>.+)" in (?P<cell>\w+)', Game.starts),
    _step(rf'{WHO} composes "(?P<words>.+)" after "(?P<at>.+)"', Game.composes),
    _step(rf'{WHO}{LATE} deletes "(?P<words>.+)"{IN}', Game.deletes),
    _step(rf'{WHO} replaces "(?P<words>.+)" with "(?P<other>.+)"', Game.replaces),
    _step(rf"{WHO} clears the cell", Game.clears),
    _step(
        rf'{WHO} (?P<how>moves|copies) "(?P<words>.+?)"(?: from (?P<source>\w+))?'
        r'(?: (?P<side>after|before) "(?P<at>.+)"| to (?P<cell>\w+))',
        Game.carries,
    ),
    _step(rf'{WHO} makes "(?P<words>.+)" bold', Game.makes_bold),
    _step(rf'{WHO} splits before "(?P<words>.+)"', Game.splits),
    _step(rf"{WHO} joins", Game.joins),
    _step(rf"{WHO} undoes", Game.undoes),
    _step(rf"{WHO} redoes", Game.redoes),
]
