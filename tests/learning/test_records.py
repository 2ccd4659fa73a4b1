"""A settled text is one record for each output; settling again says nothing twice."""

import pytest

from apps.learning.models import EditRecord
from apps.learning.services import records
from apps.organizations.models import Role
from tests.factories import member
from tests.learning.builders import output, record, settled

pytestmark = pytest.mark.django_db
TEXT = "A bar that keeps its promise."


@pytest.fixture
def editor(company):
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def made(company):
    return output(company.organization, TEXT)


def test_it_keeps_the_text_the_distance_what_was_kept_and_who(made, company, editor):
    kept = record(made, company.launches, editor, final_text="A bar that keeps.", kept_chars=17)
    assert kept.final_text == "A bar that keeps."
    assert kept.distance == pytest.approx(12 / 29)
    assert kept.kept_ratio == pytest.approx(17 / 29)
    assert [one.user for one in kept.editors.all()] == [editor]
    assert kept.division == company.brand
    assert kept.organization == company.organization


def test_the_same_text_again_is_the_same_record(made, company, editor):
    first = record(made, company.launches, editor)
    assert record(made, company.launches, editor) == first
    assert EditRecord.objects.count() == 1


def test_a_weaker_event_adds_nothing_to_a_stronger_one(made, company):
    released = record(made, company.launches, settle="released")
    assert record(made, company.launches, settle="idle") == released
    assert record(made, company.launches, settle="downloaded") == released


def test_a_stronger_event_makes_a_record_of_the_same_text(made, company):
    idle = record(made, company.launches, settle="idle")
    released = record(made, company.launches, settle="released")
    assert released != idle
    assert released.settle == "released"


def test_text_that_went_there_and_back_again_is_the_newest_record(made, company):
    first = record(made, company.launches)
    record(made, company.launches, final_text="Something else.", kept_chars=0)
    again = record(made, company.launches)
    assert again != first
    assert EditRecord.objects.order_by("-settled_at", "-pk").first() == again


def test_somebody_new_in_the_same_text_makes_a_new_record(made, company, editor):
    first = record(made, company.launches)
    with_editor = record(made, company.launches, editor)
    assert with_editor != first
    assert record(made, company.launches) == with_editor  # never fewer people


def test_a_worker_that_settles_the_same_document_twice_makes_one_record(made, company):
    facts = settled(made, company.launches, settle="released")
    assert records.settle(settled=facts) == records.settle(settled=facts)


def test_an_event_that_is_none_is_refused(made, company):
    with pytest.raises(ValueError, match="got looked_at"):
        settled(made, company.launches, settle="looked_at")


def test_more_kept_than_there_was_is_refused(made, company):
    with pytest.raises(ValueError, match="wanted 0 to 29 kept characters, got 30"):
        settled(made, company.launches, kept_chars=30)
