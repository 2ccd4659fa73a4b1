"""One verdict per person and output, changed and taken back at will; what people do is kept once."""

import pytest

from apps.learning import selectors
from apps.learning.models import Feedback
from apps.learning.services import feedback
from apps.organizations.models import AuditEvent, Role
from tests.factories import member, notebook
from tests.learning.builders import output

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(company):
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def made(company):
    return output(company.organization)


@pytest.fixture
def book(company, editor):
    return notebook(company.launches, by=editor)


def said():
    return list(Feedback.objects.values_list("kind", "reasons"))


def verbs():
    events = AuditEvent.objects.filter(verb__startswith="feedback.").order_by("at", "pk")
    return list(events.values_list("verb", flat=True))


def test_a_thumb_is_kept_with_its_reasons_and_leaves_a_trace(made, editor, book):
    feedback.give_thumb(
        output=made, by=editor, kind="thumbs_down", reasons=["voice", "facts"], about=book
    )
    assert said() == [("thumbs_down", ["facts", "voice"])]
    event = AuditEvent.objects.get(verb="feedback.given")
    assert event.actor == editor
    assert event.division == book.workspace.division
    assert event.data["reasons"] == ["facts", "voice"]


def test_a_second_thumb_takes_the_place_of_the_first(made, editor, book):
    feedback.give_thumb(output=made, by=editor, kind="thumbs_down", reasons=["voice"], about=book)
    feedback.give_thumb(output=made, by=editor, kind="thumbs_up", reasons=["voice"], about=book)
    assert said() == [("thumbs_up", [])]
    assert len(verbs()) == 2


def test_the_same_thumb_again_changes_nothing(made, editor, book):
    for _ in range(2):
        feedback.give_thumb(output=made, by=editor, kind="thumbs_up", about=book)
    assert said() == [("thumbs_up", [])]
    assert verbs() == ["feedback.given"]


def test_each_person_has_a_verdict_of_their_own(made, editor, company, book):
    feedback.give_thumb(output=made, by=editor, kind="thumbs_up", about=book)
    feedback.give_thumb(output=made, by=company.owner, kind="thumbs_down", about=book)
    assert len(said()) == 2
    assert selectors.thumbs_of(editor, [made.pk])[made.pk].kind == "thumbs_up"
    assert selectors.thumbs_of(company.owner, [made.pk])[made.pk].kind == "thumbs_down"


def test_a_thumb_can_be_taken_back_once(made, editor, book):
    feedback.give_thumb(output=made, by=editor, kind="thumbs_up", about=book)
    assert feedback.withdraw_thumb(output=made, by=editor, about=book)
    assert not feedback.withdraw_thumb(output=made, by=editor, about=book)
    assert said() == []
    assert verbs() == ["feedback.given", "feedback.withdrawn"]


def test_a_verdict_that_is_no_thumb_is_refused(made, editor, book):
    with pytest.raises(feedback.UnknownThumb, match="accept"):
        feedback.give_thumb(output=made, by=editor, kind="accept", about=book)


def test_a_reason_that_nobody_offered_is_refused(made, editor, book):
    with pytest.raises(feedback.UnknownReason, match="ugly"):
        feedback.give_thumb(
            output=made, by=editor, kind="thumbs_down", reasons=["ugly"], about=book
        )
    assert said() == []


def test_what_people_do_is_kept_once(company, made, editor):
    other = output(company.organization)
    for _ in range(2):
        feedback.note_adoption(output=made, by=editor, over=[other.pk])
        feedback.note_dismissal(output=other, by=editor)
        feedback.note_regeneration(outputs=[made.pk], by=editor)
    kept = Feedback.objects.values_list("kind", "output", "over")
    assert set(kept) == {
        ("accept", made.pk, None),
        ("choose_over", made.pk, other.pk),
        ("dismiss", other.pk, None),
        ("regenerate", made.pk, None),
    }
    assert len(kept) == 4
