"""Appending, reading, merging: what is stored is exactly what was allowed and valid."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from pycrdt import Doc, Text, get_update

from apps.notebooks import crdt, history, mirrors, structs
from apps.notebooks.models import (
    Contribution,
    Document,
    DocUpdate,
    Notebook,
)
from apps.notebooks.rights import levels_on
from apps.notebooks.selectors import level_of
from apps.notebooks.services import updates
from apps.notebooks.services.updates import Incoming, Refusal
from apps.organizations.models import AuditEvent, Role
from apps.organizations.policy import Level
from tests import factories
from tests.notebooks.hostile import piece, update


@pytest.fixture(autouse=True)
def no_mirrors() -> None:
    mirrors.forget_all()


@pytest.fixture
def notebook(company: factories.Company) -> Notebook:
    return factories.notebook(company.launches)


def keystrokes(text: str, client: int = 7) -> list[bytes]:
    """Return one update for each letter."""
    doc: Doc = Doc(client_id=client)
    words = doc.get("test", type=Text)
    found = []
    for letter in text:
        before = doc.get_state()
        words += letter
        found.append(bytes(doc.get_update(before)))
    return found


def text_of(*payloads: bytes) -> str:
    doc: Doc = Doc()
    for payload in payloads:
        doc.apply_update(payload)
    return str(doc.get("test", type=Text))


def append(notebook: Notebook, *payloads: bytes, **fields: Any) -> updates.Batch:
    user = fields.pop("user_id", notebook.owner_id)
    incoming = [Incoming(user_id=user, payload=payload, **fields) for payload in payloads]
    return updates.append(notebook_id=notebook.pk, incoming=incoming)


# --- crdt ---------------------------------------------------------------------------------------


def test_merging_and_squashing_keep_what_waits_for_an_earlier_update() -> None:
    first, second, *later = keystrokes("abcdef")
    state = crdt.squash(crdt.merge([first, *later]))
    assert text_of(state) == "a"
    assert text_of(state, second) == "abcdef"
    assert text_of(crdt.squash(crdt.merge([state, second]))) == "abcdef"


def test_any_number_of_updates_can_be_merged() -> None:
    chance = random.Random(3)
    ghost = b"\x00\x02"  # deleted and forgotten
    for _ in range(20):
        many = []
        for _update in range(200):
            pieces = [piece("test")] * 2 if chance.random() < 0.5 else [ghost]
            many.append(update(chance.randint(1, 3), chance.randint(0, 3), *pieces))
        merged = crdt.merge(many)
        assert structs.ends(merged) == {1: 5, 2: 5, 3: 5}
    letters = keystrokes("abcdefghij" * 30)
    chance.shuffle(letters)
    assert text_of(crdt.merge(letters)) == "abcdefghij" * 30
    assert crdt.merge([]) == crdt.EMPTY


def test_squashing_keeps_deletions_of_what_has_not_arrived() -> None:
    doc: Doc = Doc(client_id=3)
    words = doc.get("test", type=Text)
    words += "abc"
    typed = bytes(doc.get_update())
    before = doc.get_state()
    del words[1:2]
    deleted = bytes(doc.get_update(before))
    state = crdt.squash(crdt.merge([deleted, *keystrokes("x")]))
    assert sorted(text_of(state, typed)) == sorted("acx")


def test_squashing_makes_a_line_of_keystrokes_short() -> None:
    merged = crdt.merge(keystrokes("a line that somebody types letter by letter"))
    assert len(crdt.squash(merged)) <= len(merged) / 4


def test_nothing_merges_to_an_empty_document() -> None:
    assert text_of(crdt.merge([])) == ""


@pytest.mark.parametrize("work", [crdt.clean, crdt.squash, lambda bad: crdt.missing(bad, b"\x00")])
def test_what_is_no_update_is_told(work: Any) -> None:
    with pytest.raises(crdt.BadUpdate):
        work(b"garbage")


def test_a_mirror_knows_what_is_new() -> None:
    a, b, c = keystrokes("abc")
    mirror = crdt.Mirror(epoch=1, seq=1, state=a)
    assert not mirror.apply_news(a)
    assert mirror.apply_news(b)
    assert not mirror.apply_news(b)
    assert not mirror.apply_news(crdt.EMPTY)
    assert crdt.Mirror(epoch=1, seq=1, state=a).apply_news(c), "what waits may be unknown"


def test_a_mirror_knows_deletions_that_are_new() -> None:
    doc: Doc = Doc(client_id=3)
    words = doc.get("test", type=Text)
    words += "abc"
    typed = bytes(doc.get_update())
    before = doc.get_state()
    del words[1:2]
    deleted = bytes(get_update(doc.get_update(), before))
    mirror = crdt.Mirror(epoch=1, seq=1, state=typed)
    assert mirror.apply_news(deleted)
    assert not mirror.apply_news(deleted)
    assert crdt.Mirror(epoch=1, seq=1, state=crdt.EMPTY).apply_news(deleted)


# --- append -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_updates_get_numbers_in_a_row(notebook: Notebook) -> None:
    batch = append(notebook, *keystrokes("abc"))
    assert (batch.first, batch.last) == (2, 4)
    assert [outcome.seq for outcome in batch.outcomes] == [2, 3, 4]
    again = append(notebook, *keystrokes("d", client=8))
    assert again.first == again.last == 5
    assert Document.objects.get(pk=notebook.pk).last_seq == 5
    stored = DocUpdate.objects.filter(document=notebook.pk, seq__gt=1).order_by("seq")
    assert [row.user_id for row in stored] == [notebook.owner_id] * 4


@pytest.mark.django_db
def test_refusing_one_update_lets_the_others_pass(
    notebook: Notebook, company: factories.Company, settings: Any
) -> None:
    settings.UPDATE_LIMIT_BYTES = 200
    viewer = factories.member(company.launches, Role.VIEWER)
    a, b = keystrokes("ab")
    long = keystrokes("x" * 300)
    incoming = [
        Incoming(user_id=notebook.owner_id, payload=a),
        Incoming(user_id=viewer.pk, payload=b),
        Incoming(user_id=notebook.owner_id, payload=b"garbage"),
        Incoming(user_id=notebook.owner_id, payload=crdt.merge(long)),
        Incoming(user_id=notebook.owner_id, payload=b),
    ]
    batch = updates.append(notebook_id=notebook.pk, incoming=incoming)
    assert [outcome.refusal for outcome in batch.outcomes] == [
        None,
        Refusal.NOT_ALLOWED,
        Refusal.INVALID,
        Refusal.TOO_LARGE,
        None,
    ]
    assert list(batch.payloads) == [2, 3]
    assert text_of(*batch.payloads.values()) == "ab"


@pytest.mark.django_db
def test_the_server_itself_needs_no_right_but_leaves_the_trash_alone(notebook: Notebook) -> None:
    [a] = keystrokes("a")
    assert append(notebook, a, user_id=None).outcomes[0].refusal is None
    Notebook.objects.filter(pk=notebook.pk).update(trashed_at=notebook.created_at)
    batch = append(notebook, *keystrokes("b", client=8), user_id=None)
    assert batch.outcomes[0].refusal == Refusal.IN_TRASH


@pytest.mark.django_db
def test_a_resent_update_makes_no_row(notebook: Notebook) -> None:
    a, b = keystrokes("ab")
    append(notebook, a)
    batch = append(notebook, a, b, resent=True)
    assert [outcome.seq for outcome in batch.outcomes] == [None, 3]
    assert [outcome.refusal for outcome in batch.outcomes] == [None, None]


@pytest.mark.django_db
def test_an_empty_update_makes_no_row(notebook: Notebook) -> None:
    assert append(notebook, crdt.EMPTY).payloads == {}


@pytest.mark.django_db
def test_updates_for_another_history_are_refused(notebook: Notebook) -> None:
    with pytest.raises(history.Diverged):
        updates.append(notebook_id=notebook.pk, incoming=[], epoch=uuid.uuid4())


@pytest.mark.django_db
def test_a_document_must_exist() -> None:
    with pytest.raises(Document.DoesNotExist):
        updates.append(notebook_id=uuid.uuid4(), incoming=[])


@pytest.mark.django_db
def test_writing_leaves_a_contribution_and_one_event_for_each_sitting(notebook: Notebook) -> None:
    for payload in keystrokes("abc"):
        append(notebook, payload)
    contribution = Contribution.objects.get(notebook=notebook)
    assert contribution.user_id == notebook.owner_id
    assert AuditEvent.objects.filter(verb="notebook.edited").count() == 1
    notebook.refresh_from_db()
    assert notebook.edited_by_id == notebook.owner_id


@pytest.mark.django_db
def test_a_later_sitting_is_an_event_of_its_own(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "TRACE_EVERY_S", 0)
    monkeypatch.setattr(updates, "SITTING_S", -1)
    for payload in keystrokes("ab"):
        append(notebook, payload)
    assert AuditEvent.objects.filter(verb="notebook.edited").count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_is_rolled_back_leaves_no_mirror_that_knows_more(notebook: Notebook) -> None:
    a, b = keystrokes("ab")
    append(notebook, a)
    with transaction.atomic():
        append(notebook, b)
        transaction.set_rollback(True)
    batch = append(notebook, b, resent=True)
    assert batch.outcomes[0].seq == 3


@pytest.mark.django_db(transaction=True)
def test_a_mirror_catches_up_with_what_another_process_wrote(notebook: Notebook) -> None:
    a, b, c = keystrokes("abc")
    append(notebook, a)
    DocUpdate.objects.create(document_id=notebook.pk, seq=3, payload=b)
    Document.objects.filter(pk=notebook.pk).update(last_seq=3)
    assert append(notebook, b, resent=True).payloads == {}
    assert append(notebook, c).outcomes[0].seq == 4


@pytest.mark.django_db(transaction=True)
def test_a_mirror_of_a_replaced_history_is_thrown_away(notebook: Notebook) -> None:
    a, b = keystrokes("ab")
    append(notebook, a, b)
    DocUpdate.objects.filter(document=notebook.pk, seq=3).delete()
    Document.objects.filter(pk=notebook.pk).update(last_seq=2, epoch=uuid.uuid4())
    assert append(notebook, b, resent=True).outcomes[0].seq == 3


@pytest.mark.django_db(transaction=True)
def test_only_so_many_mirrors_are_kept(
    notebook: Notebook, company: factories.Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "KEPT", 1)
    other = factories.notebook(company.launches)
    for book in (notebook, other, notebook):
        append(book, *keystrokes("a", client=book.pk.int % 1000))
    assert Document.objects.get(pk=notebook.pk).last_seq == 3


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_never_share_a_number(notebook: Notebook) -> None:
    def write(client: int) -> None:
        for payload in keystrokes("abcde", client=client):
            append(notebook, payload)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(1, 5)))
    document = Document.objects.get(pk=notebook.pk)
    assert document.last_seq == 21
    assert len(text_of(*history.read(document).updates)) == 20


@pytest.mark.django_db
def test_the_queries_of_a_batch_do_not_grow_with_it(
    notebook: Notebook, company: factories.Company, django_assert_max_num_queries: Any
) -> None:
    people = [factories.member(company.launches) for _ in range(8)]
    factories.notebook(company.launches)
    for person in people:
        append(notebook, *keystrokes("a", client=person.pk.int % 2**32), user_id=person.pk)
    incoming = [
        Incoming(user_id=person.pk, payload=payload)
        for number, person in enumerate(people)
        for payload in keystrokes("abc", client=number + 1)
    ]
    # savepoint, lock with notebook, memberships, grants, snapshot and rows for the mirror (which only
    # a commit keeps), insert, number, release
    with django_assert_max_num_queries(9):
        updates.append(notebook_id=notebook.pk, incoming=incoming)


# --- rights -------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("audience", Notebook.Audience.values)
def test_rights_inside_a_batch_are_those_of_the_gate(
    company: factories.Company, audience: str
) -> None:
    scopes = [company.organization, company.brand, company.retail, company.launches]
    scopes += [company.newsroom, company.shops]
    people = [company.owner]
    for scope in scopes:
        for role in Role.values:
            try:
                with transaction.atomic():
                    people.append(factories.member(scope, role))
            except Exception:  # noqa: BLE001  (not every role may be held everywhere)
                continue
    notebook = factories.notebook(company.launches, by=people[5], audience=audience)
    grant_to = [company.retail, company.brand]
    for division, level in zip(grant_to, (Level.COMMENT, Level.EDIT), strict=True):
        notebook.grants.create(division=division, level=level)
    notebook.grants.create(user=people[-1], level=Level.MANAGE)
    notebook.grants.create(user=people[-2], level=Level.EDIT, expires_at=notebook.created_at)
    people[-3].is_active = False
    people[-3].save()
    stranger = factories.person()
    notebook.grants.create(user=stranger, level=Level.EDIT)
    everybody = [*people, stranger]
    found = levels_on(notebook, {person.pk for person in everybody})
    assert found == {person.pk: level_of(person, notebook) for person in everybody}
    assert len(set(found.values())) > 2


# --- history ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_hole_in_the_stored_updates_is_told(notebook: Notebook) -> None:
    append(notebook, *keystrokes("abc"))
    DocUpdate.objects.filter(document=notebook.pk, seq=3).delete()
    with pytest.raises(history.HistoryInterrupted):
        history.read(Document.objects.get(pk=notebook.pk))


@pytest.mark.django_db
def test_the_whole_document_is_one_update(notebook: Notebook) -> None:
    append(notebook, *keystrokes("abc"))
    whole = history.whole(Document.objects.get(pk=notebook.pk))
    assert whole.seq == 4
    assert text_of(*whole.updates) == "abc"


@pytest.mark.django_db
def test_last_numbers_of_many_documents_come_in_one_query(
    notebook: Notebook, company: factories.Company, django_assert_num_queries: Any
) -> None:
    other = factories.notebook(company.launches)
    append(other, *keystrokes("ab"))
    with django_assert_num_queries(1):
        found = history.last_seqs([notebook.pk, other.pk])
    assert found == {notebook.pk: 1, other.pk: 3}
