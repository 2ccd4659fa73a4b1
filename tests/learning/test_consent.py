"""Nothing is learned from a text unless everybody in it, its notebook and all before it agree."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.learning import selectors
from apps.learning.models import Consent
from apps.learning.selectors import Refusal, learnable, learnable_outputs, refusals
from apps.learning.services import consent
from apps.learning.services import records as keeping
from apps.organizations.models import AuditEvent, Role
from tests.factories import member, notebook
from tests.learning.builders import key_of, output, record, settled

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor(company):
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def made(company):
    return output(company.organization)


@pytest.fixture
def switch(company):
    """Return what turns a notebook's switch."""

    def turn(notebook_id, *, learn=False):
        consent.switch_notebook(
            notebook_id=notebook_id,
            organization=company.organization,
            by=company.owner,
            learn=learn,
            about=company.launches,
        )

    return turn


def hops(company, count):
    """Return outputs of which each read the one before, each in a notebook of its own."""
    made, notebooks = [], []
    for _ in range(count):
        notebooks.append(uuid4())
        reads = {made[-1].step_run.key: made[-1]} if made else {}
        made.append(output(company.organization, key=key_of(notebooks[-1]), reads=reads))
    return made, notebooks


def test_without_any_denial_everything_may_be_learned_from(made, company, editor):
    kept = record(made, company.launches, editor)
    assert learnable([kept]) == [kept]
    assert learnable_outputs([made.pk]) == {made.pk}


def test_one_editor_who_does_not_want_it_is_enough(made, company, editor):
    before = record(made, company.launches, editor, company.owner)
    consent.switch_person(user=editor, learn=False)
    after = record(made, company.launches, editor, final_text="Changed since.", kept_chars=0)
    others = record(output(company.organization), company.launches, company.owner)
    assert refusals([before, after, others]) == {
        before.pk: Refusal.PERSON,
        after.pk: Refusal.PERSON,
    }
    assert learnable([before, after, others]) == [others]
    consent.switch_person(user=editor, learn=True)
    assert learnable([before, after, others]) == [before, after, others]


def test_whoever_wrote_what_the_model_read_counts_too(made, company, editor):
    kept = keeping.settle(
        settled=settled(made, company.launches, prompt_writers=frozenset({editor.pk}))
    )
    consent.switch_person(user=editor, learn=False)
    assert refusals([kept]) == {kept.pk: Refusal.PERSON}


def test_a_person_s_word_holds_in_every_organization(made, company, editor):
    consent.switch_person(user=editor, learn=False)
    assert Consent.objects.get().organization is None
    assert not selectors.may_learn_from_person(editor)
    assert selectors.may_learn_from_person(company.owner)


def test_a_notebook_that_is_not_learned_from_takes_its_records_along(made, company, switch):
    kept = record(made, company.launches)
    switch(kept.notebook_id)
    assert refusals([kept]) == {kept.pk: Refusal.NOTEBOOK}
    assert learnable_outputs([made.pk]) == set()
    assert not selectors.may_learn_from_notebook(kept.notebook_id)
    switch(kept.notebook_id, learn=True)
    assert learnable([kept]) == [kept]
    assert learnable_outputs([made.pk]) == {made.pk}


def test_a_text_taken_elsewhere_still_belongs_to_where_it_was_made(made, company, switch):
    elsewhere = record(made, company.launches, notebook_id=uuid4())
    switch(selectors.notebooks_behind([made.pk])[made.pk].pop())
    assert refusals([elsewhere]) == {elsewhere.pk: Refusal.UPSTREAM}


def test_a_denied_notebook_taints_through_three_hops(company, switch):
    made, notebooks = hops(company, 4)
    kept = [record(one, company.launches) for one in made]
    for denied in range(4):
        switch(notebooks[denied])
        assert learnable(kept) == kept[:denied]
        assert learnable_outputs([one.pk for one in made]) == {one.pk for one in made[:denied]}
        switch(notebooks[denied], learn=True)
    assert learnable(kept) == kept


def test_taint_passes_through_a_text_that_people_wrote_in(company, switch):
    first, second = uuid4(), uuid4()
    source = output(company.organization, key=key_of(first))
    cell = key_of(second)
    middle = output(company.organization, key=cell, reads={source.step_run.key: source})
    reader = output(company.organization, reads={cell: None})  # the middle one, edited
    later = output(company.organization, key=cell, reads={key_of(third := uuid4()): None})
    assert later.created_at > reader.created_at
    behind = selectors.notebooks_behind([reader.pk])[reader.pk]
    assert {first, second} <= behind
    assert third not in behind
    switch(first)
    kept = record(reader, company.launches)
    assert refusals([kept]) == {kept.pk: Refusal.UPSTREAM}
    assert middle.pk not in learnable_outputs([middle.pk])


def test_taint_does_not_depend_on_the_clock(company, switch):
    made, notebooks = hops(company, 4)
    made[0].created_at = timezone.now() + timedelta(days=1)
    made[0].save(update_fields=["created_at"])
    switch(notebooks[0])
    kept = record(made[3], company.launches)
    assert refusals([kept]) == {kept.pk: Refusal.UPSTREAM}


def test_sources_that_are_gone_or_no_notebook_s_are_no_obstacle(company, switch):
    source = output(company.organization, key="a-thing")
    reader = output(company.organization, reads={"a-thing": source})
    source.delete()
    switch(uuid4())
    kept = record(reader, company.launches)
    assert learnable([kept]) == [kept]


def test_an_erased_record_is_never_learned_from(made, company):
    kept = record(made, company.launches)
    kept.erased_at = timezone.now()
    kept.save(update_fields=["erased_at"])
    assert refusals([kept]) == {kept.pk: Refusal.ERASED}


def test_switches_leave_one_trace_for_each_turn(company, editor):
    book = notebook(company.launches, by=editor)
    for learn in (False, False, True, True, False):
        consent.switch_notebook(
            notebook_id=book.pk,
            organization=company.organization,
            by=editor,
            learn=learn,
            about=book,
        )
        consent.switch_person(user=editor, learn=learn)
    verbs = AuditEvent.objects.filter(verb__contains=".learning_").order_by("at", "pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        "notebook.learning_denied",
        "profile.learning_denied",
        "notebook.learning_allowed",
        "profile.learning_allowed",
        "notebook.learning_denied",
        "profile.learning_denied",
    ]
    kept = Consent.objects.filter(withdrawn_at__isnull=False)
    assert kept.count() == 2  # withdrawn, not deleted
    assert {one.withdrawn_by for one in kept} == {editor}


def test_the_queries_do_not_grow_with_the_records(company, switch, django_assert_max_num_queries):
    made, notebooks = hops(company, 3)
    kept = [record(one, company.launches, company.owner) for one in made] * 5
    switch(notebooks[0])
    consent.switch_person(user=company.owner, learn=False)
    with django_assert_max_num_queries(12):
        refusals(kept)
