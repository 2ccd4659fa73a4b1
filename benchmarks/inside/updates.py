"""Notebooks in which Update is pressed: the part of benchmarks/chain.py that a person feels.

Before every press the brief is typed anew, so that every cell is out of date and the cells have to be
read out of the document first thing in the transaction that starts the run.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from pycrdt import Doc, XmlFragment, XmlText

from apps.accounts.models import User
from apps.inference.models import Delivery, Run
from apps.notebooks.models import Notebook
from tests.factories import Company, member
from tests.notebooks import writers
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

BRANCH = 4  # cells that follow one another before the next begins from the brief again
WITHIN_S = 120.0


class NotAdopted(Exception):
    """What was written did not come into the document."""


@dataclass
class Book:
    """A brief, and cells of which each reads the one before; every branch begins from the brief."""

    company: Company
    cells: int
    presses: int = 0
    person: User = field(init=False)
    notebook: Notebook = field(init=False)

    def __post_init__(self) -> None:
        """Write the notebook."""
        self.person = member(self.company.launches)
        blocks = [text_cell("brief", "A new oat bar")]
        for number in range(self.cells):
            source = "brief" if number % BRANCH == 0 else name_of(number - 1)
            blocks.append(prompt_cell(name_of(number), chip(source), length="short"))
        self.notebook = writers.notebook(self.company.launches, self.person, *blocks)

    @property
    def topic(self) -> str:
        """Return where its viewers listen."""
        return f"notebook.{self.notebook.pk}"

    def key(self, number: int) -> str:
        """Return what events call a cell."""
        return f"{self.notebook.pk}:{cell_id(name_of(number))}"

    def type_brief(self) -> None:
        """Change the brief, as somebody does who types."""
        self.presses += 1
        doc: Doc[Any] = Doc()
        doc.apply_update(writers.state_of(self.notebook))
        before = doc.get_state()
        brief = doc.get("document", type=XmlFragment).children[0]
        with doc.transaction():
            del brief.children[0].children[0]
            brief.children[0].children.append(XmlText(f"A new oat bar, try {self.presses}"))
        writers.append(self.notebook, self.person, bytes(doc.get_update(before)))

    def press(self) -> Run:
        """Press Update: everything is out of date."""
        run = writers.update(self.notebook, self.person, key=f"press-{self.presses}")
        if run.steps.count() != self.cells:
            raise NotAdopted(run)
        return run

    def wait_for_texts(self) -> None:
        """Return once everything that was written stands in the document."""
        deadline = time.monotonic() + WITHIN_S
        while Delivery.objects.filter(delivered_at__isnull=True, given_up_at__isnull=True).exists():
            if time.monotonic() > deadline:
                raise NotAdopted(self.notebook)
            time.sleep(0.01)


def name_of(number: int) -> str:
    """Return the name of a cell."""
    return f"c{number}"
