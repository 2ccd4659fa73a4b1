"""A person who has left can be forgotten: what they wrote, who they were, and how they came in."""

import io
import json
import uuid

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.models import User
from apps.inference.models import Output
from apps.learning.models import EditRecord
from apps.notebooks.models import Notebook, ShareGrant, Visit
from apps.notebooks.services import leaving
from apps.notebooks.services.notebooks import record_visit, trash_notebook
from apps.operations.erasing import StillAMember, erase_person
from apps.organizations.models import AuditEvent
from tests import factories
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.searching import places_of
from tests.notebooks.test_erasure import remember, typed
from tests.notebooks.writers import prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)

NAME, ADDRESS, WROTE = "Quetzalname", "quetzaladdress@example.com", "Quetzalwrote"


@pytest.fixture
def person(company):
    return factories.member(company.launches, user=factories.person(NAME, email=ADDRESS))


@pytest.fixture
def book(company, person):
    """A notebook of somebody else in which the person wrote, by a page of their own."""
    deployment()
    owner = factories.member(company.brand)
    book = writers.notebook(
        company.launches, owner, text_cell("brief", "Kept brief"), prompt_cell("tagline")
    )
    writers.write(book, owner)
    typed(book, person, f"{WROTE} line")
    record_visit(notebook=book, user=person)
    page = Client()
    page.post("/accounts/login/", {"login": ADDRESS, "password": "wrong-password-here"})
    page.post("/accounts/login/", {"login": ADDRESS, "password": factories.PASSWORD})
    assert page.get(f"/n/{book.pk}/").status_code == 200
    return book


def left(person, company):
    departure = leaving.Departure(
        organization=company.organization, person=person, heir=company.owner
    )
    leaving.leave(departure=departure, by=company.owner)


def test_nothing_says_who_it_was(company, person, book):
    own = factories.notebook(company.launches, by=person, text="Plan")
    left(person, company)
    assert places_of(NAME, ADDRESS, WROTE)
    erased = erase_person(person=person, by=company.owner)
    assert places_of(NAME, ADDRESS, WROTE) == []
    assert {str(book.pk), str(own.pk)} == set(erased)
    assert writers.cells(book)["brief"].text == "Kept brief"
    someone = User.objects.get(pk=person.pk)
    assert (someone.is_active, someone.has_usable_password()) == (False, False)
    assert not Visit.objects.filter(user=person).exists()
    assert not ShareGrant.objects.filter(user=person).exists()
    assert not any(
        one.get_decoded().get("_auth_user_id") == str(person.pk) for one in Session.objects.all()
    )
    event = AuditEvent.objects.get(verb="person.erased")
    assert (event.target_id, event.target_label) == (str(person.pk), "Former member")
    assert event.data["notebooks"] == sorted(erased)


def test_the_log_still_says_what_was_done(company, person, book):
    count = AuditEvent.objects.filter(actor=person).count()
    left(person, company)
    erase_person(person=person, by=None)
    theirs = AuditEvent.objects.filter(actor=person)
    assert theirs.count() == count > 0
    assert set(theirs.values_list("actor_label", "ip", "user_agent")) == {("(erased)", None, "")}


def test_a_member_leaves_first(company, person, book):
    with pytest.raises(StillAMember, match="leave it first"):
        erase_person(person=person, by=None)
    left(person, company)
    Notebook.objects.filter(pk=book.pk).update(owner=person)
    with pytest.raises(StillAMember, match="still owns"):
        erase_person(person=person, by=None)


def test_the_command_erases_each_kind_and_says_what_went(company, person, book):
    def said(kind, pk):
        out = io.StringIO()
        call_command("erase", kind, str(pk), stdout=out)
        return json.loads(out.getvalue())

    output = Output.objects.get()
    record = remember(book, "tagline", "Final")
    assert said("record", record.pk) == {"records": 1}
    assert EditRecord.objects.get(pk=record.pk).erased_at
    assert said("output", output.pk)["outputs"] == 1
    assert said("past", book.pk)["dataset_versions"] == []
    with pytest.raises(CommandError, match="not in the trash"):
        said("notebook", book.pk)
    left(person, company)
    assert str(book.pk) in said("person", person.pk)
    trash_notebook(notebook=book, by=company.owner)
    assert said("notebook", book.pk)["models"] == []
    with pytest.raises(CommandError, match="There is no output"):
        said("output", uuid.uuid4())
