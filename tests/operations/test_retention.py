"""What an organization keeps no longer goes, step by step, and the log says how much."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.inference.models import OutboxRow, Output, Run, StepRun
from apps.notebooks.models import CellOutput, Notebook
from apps.notebooks.services.notebooks import trash_notebook
from apps.operations import execution, retention, tasks
from apps.organizations.models import AuditEvent, Organization, Retention
from apps.organizations.services import retention as services
from apps.organizations.services.retention import Days
from tests import factories
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.writers import chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)
FOR_GOOD = Days(trash_days=None, output_days=None, run_days=None, audit_days=None)


@pytest.fixture
def editor(company):
    deployment()
    return factories.member(company.brand)


def book_of(company, editor):
    book = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A bar"),
        prompt_cell("tagline", chip("brief"), banned=["premium"]),
        prompt_cell("choice", chip("brief"), variants=2),
    )
    writers.write(book, editor)
    return book


def later(days):
    return timezone.now() + timedelta(days=days)


def test_without_a_word_of_the_admins_the_defaults_hold(company, editor):
    book = book_of(company, editor)
    trash_notebook(notebook=book, by=editor)
    assert retention.apply(company.organization, later(89)) == retention.LetGo()
    assert not AuditEvent.objects.filter(verb="retention.applied").exists()
    done = retention.apply(company.organization, later(91))
    assert done == retention.LetGo(notebooks=1)
    assert not Notebook.objects.filter(pk=book.pk).exists()
    event = AuditEvent.objects.get(verb="retention.applied")
    assert (event.actor, event.data["notebooks"]) == (None, 1)
    assert AuditEvent.objects.get(verb="notebook.deleted").actor_label == "InferenceCloud"


def test_texts_that_nobody_took_are_forgotten_and_adopted_ones_stay(company, editor):
    book = book_of(company, editor)
    done = retention.apply(company.organization, later(366))
    assert done.outputs == 2
    assert Output.objects.filter(erased_at__isnull=True).count() == 1
    assert writers.cells(book)["tagline"].text
    assert set(CellOutput.objects.exclude(text="").values_list("status", flat=True)) == {"adopted"}
    assert retention.apply(company.organization, later(366)).outputs == 0


def test_details_of_runs_go_and_outputs_keep_what_led_to_them(company, editor):
    book_of(company, editor)
    assert StepRun.objects.filter(params__banned=["premium"]).count() == 1
    assert retention.apply(company.organization, later(366)).runs == 1
    assert not StepRun.objects.filter(params__has_key="banned").exists()
    assert Output.objects.get(erased_at__isnull=True).params["banned"] == ["premium"]
    assert set(map(str, StepRun.objects.values_list("messages", flat=True))) == {"[]"}
    adopted = Output.objects.get(erased_at__isnull=True)
    assert "A bar" in str(adopted.prompt)
    assert Run.objects.count() == 1
    assert not OutboxRow.objects.exists()
    assert retention.apply(company.organization, later(366)).runs == 0


def test_the_log_goes_only_when_the_admins_say_so(company):
    assert retention.apply(company.organization, later(4000)).audit_events == 0
    days = Days(trash_days=90, output_days=None, run_days=None, audit_days=90)
    services.change_retention(organization=company.organization, by=company.owner, days=days)
    count = AuditEvent.objects.filter(organization=company.organization).count()
    assert retention.apply(company.organization, later(91)).audit_events == count
    left = AuditEvent.objects.filter(organization=company.organization)
    assert [one.verb for one in left] == ["retention.applied"]


def test_what_is_kept_for_good_stays(company, editor):
    book = book_of(company, editor)
    trash_notebook(notebook=book, by=editor)
    services.change_retention(organization=company.organization, by=company.owner, days=FOR_GOOD)
    assert retention.apply(company.organization, later(9000)) == retention.LetGo()


def test_a_change_says_what_it_was_and_the_same_again_says_nothing(company):
    for _ in range(2):
        services.change_retention(
            organization=company.organization, by=company.owner, days=FOR_GOOD
        )
    event = AuditEvent.objects.get(verb="retention.changed")
    assert event.data == {"trash_days": "90 → ∞", "output_days": "365 → ∞", "run_days": "365 → ∞"}
    assert str(Retention.objects.get()).startswith("retention of ")


def test_a_pass_is_bounded_and_the_next_one_goes_on(company, editor, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 1)
    monkeypatch.setattr(retention, "STEPS", 1)
    book_of(company, editor)
    assert retention.apply(company.organization, later(366)).outputs == 1
    assert retention.apply(company.organization, later(366)).outputs == 1
    assert retention.apply(company.organization, later(366)).outputs == 0


def test_a_notebook_that_is_taken_out_meanwhile_stays(company, editor, monkeypatch):
    book = book_of(company, editor)
    trash_notebook(notebook=book, by=editor)

    def restored_first(*, notebook, by):
        raise retention.NotebookNotInTrash

    monkeypatch.setattr(retention, "delete_notebook", restored_first)
    assert retention.apply(company.organization, later(91)).notebooks == 0


def test_every_organization_is_looked_after(company, editor):
    other = factories.company("Elsewhere")
    book = book_of(company, editor)
    trash_notebook(notebook=book, by=editor)
    execution.apply_retention(later(91))
    assert not Notebook.objects.exists()
    assert Organization.objects.filter(pk=other.organization.pk).exists()
    tasks.apply_retention()
