"""The name that a notebook has in references: from its first title, and kept where somebody wrote it down."""

import pytest

from apps.notebooks import chain_page
from apps.notebooks.projection import project
from apps.notebooks.services.notebooks import rename_notebook
from apps.organizations.models import Role
from tests.factories import member
from tests.notebooks import writers
from tests.notebooks.writers import prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_first_title_gives_a_notebook_its_name_in_references(company):
    by = member(company.brand, Role.EDITOR)
    book = writers.notebook(company.launches, by, text_cell("brief", "x"), title="")
    assert book.slug.startswith("notebook")
    rename_notebook(notebook=book, by=by, title="Oat bar launch")
    book.refresh_from_db()
    assert book.slug == "oat-bar-launch"
    rename_notebook(notebook=book, by=by, title="Rye bar launch")
    book.refresh_from_db()
    assert book.slug == "oat-bar-launch"


def test_a_name_that_somebody_has_written_down_stays(company):
    by = member(company.brand, Role.EDITOR)
    book = writers.notebook(company.launches, by, text_cell("brief", "x"), title="")
    reader = writers.notebook(
        company.launches,
        by,
        prompt_cell("post", writers.words(f"about {{{{{book.slug}/brief}}}}")),
        title="Reader",
    )
    project(reader.pk)
    rename_notebook(notebook=book, by=by, title="Oat bar launch")
    book.refresh_from_db()
    assert book.slug.startswith("notebook")
    state = chain_page.state_for(writers.access(reader, by), by)
    assert {cell["name"]: cell["problems"] for cell in state["cells"]} == {"post": []}
