"""What people wanted a text to say goes with their words; the other settings of a cell stay."""

import pytest

from apps.inference.models import Output, StepRun
from apps.notebooks.services import erasure
from apps.organizations.models import Role
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.searching import in_dump, places_of
from tests.notebooks.writers import chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def editor(company):
    deployment()
    return member(company.brand, Role.EDITOR, user=None)


@pytest.fixture
def book(company, editor):
    cells = (
        text_cell("brief", "A bar"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("post", chip("tagline")),
    )
    return writers.notebook(company.launches, editor, *cells)


def test_what_a_person_wanted_said_goes_with_their_words(book, company, editor):
    other = member(company.launches)
    writers.set_params(book, editor, "post", length="long", required=["Keptphrase"])
    writers.set_params(book, other, "tagline", banned=["Quetzalbanned"], required=["Quetzalmust"])
    writers.write(book, editor, "tagline")
    writers.write(book, editor, "post")
    for column in ("steprun.params", "steprun.messages", "output.params", "output.prompt"):
        assert column in " ".join(places_of("Quetzalbanned"))
    erasure.forget_writing(person=other, organization=company.organization, by=None)
    assert places_of("Quetzalbanned", "Quetzalmust") == []
    assert in_dump("Quetzalbanned", "Quetzalmust") == []
    for row in (*StepRun.objects.all(), *Output.objects.all()):
        assert row.params.get("banned", []) == []
    last = StepRun.objects.get(params__required=["Keptphrase"])
    assert "Facts: Keptphrase." in str(last.messages)
    assert writers.cells(book)["post"].params["required"] == ["Keptphrase"]


def test_phrases_that_are_set_no_more_are_forgotten_with_the_past(book, editor):
    writers.set_params(book, editor, "post", required=["Keptphrase", "Quetzalonce"])
    writers.write(book, editor, "post")
    writers.set_params(book, editor, "post", required=["Keptphrase"])
    erasure.forget_past(notebook=book, by=editor)
    assert places_of("Quetzalonce") == []
    assert StepRun.objects.filter(params__required=["Keptphrase"]).count() == 1


def test_what_stands_beside_a_limit_stays_and_a_limit_hides_nothing(book, editor):
    limit = {"unit": "words", "high": 65}
    writers.set_params(book, editor, "tagline", required=["Keptphrase"], limit=limit)
    writers.set_params(book, editor, "post", required=["Quetzalonce"], limit=limit)
    writers.write(book, editor, "tagline")
    writers.write(book, editor, "post")
    writers.set_params(book, editor, "post", required=[])
    erasure.forget_past(notebook=book, by=editor)
    assert places_of("Quetzalonce") == []
    limited = StepRun.objects.filter(params__limit__high=65)
    kept = limited.get(params__required=["Keptphrase"])
    assert "Facts: Keptphrase.\\nAt most 65 words." in str(kept.messages)
    assert limited.filter(params__has_key="required").count() == 1
    assert limited.count() == 2
