"""The HTTP road says and does what the socket says and does."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pycrdt import Doc, Text, merge_updates

from apps.accounts.models import User
from apps.notebooks import document, history, mirrors
from apps.notebooks.models import SCHEMA_VERSION, Document, DocUpdate, Image, Notebook
from apps.notebooks.services import forks, updates
from apps.notebooks.services.forks import UnreadableCopy, fork_notebook
from apps.organizations.models import AuditEvent, Role
from apps.organizations.policy import Level
from tests import factories
from tests.notebooks.test_updates import keystrokes, text_of

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]
BYTES = "application/octet-stream"


@pytest.fixture(autouse=True)
def no_mirrors() -> None:
    mirrors.forget_all()


@pytest.fixture
def notebook(company: factories.Company) -> Notebook:
    return factories.notebook(company.launches)


def url_of(notebook: object, kind: str = "updates", **query: Any) -> str:
    words = "&".join(f"{key}={value}" for key, value in {"schema": SCHEMA_VERSION, **query}.items())
    return f"/n/{getattr(notebook, 'pk', notebook)}/{kind}/?{words}"


def post(client: Client, url: str, payload: bytes) -> Any:
    return client.post(url, payload, content_type=BYTES)


def test_polling_brings_what_came_after(notebook: Notebook, signed_in: SignedIn) -> None:
    client = signed_in(notebook.owner)
    first = client.get(url_of(notebook, since=0)).json()
    assert first["type"] == "changes"
    assert (first["seq"], first["level"], first["trashed"]) == (1, Level.MANAGE, False)
    [a, b] = keystrokes("ab")
    post(client, url_of(notebook), a)
    post(client, url_of(notebook), b)
    answer = client.get(url_of(notebook, since=2, epoch=first["epoch"]))
    later = answer.json()
    assert answer.headers["X-Notebook-Sync"] == "1"
    assert "no-store" in answer.headers["Cache-Control"]
    assert later["seq"] == 3
    assert [base64.b64decode(update) for update in later["updates"]] == [b]


def test_a_posted_update_is_stored_and_acknowledged(
    notebook: Notebook, signed_in: SignedIn
) -> None:
    answer = post(signed_in(notebook.owner), url_of(notebook), keystrokes("a")[0])
    assert answer.json() == {"type": "ack", "first": 2, "last": 2}
    row = DocUpdate.objects.get(document=notebook.pk, seq=2)
    assert row.user_id == notebook.owner_id


def test_a_resent_update_is_not_stored_twice(notebook: Notebook, signed_in: SignedIn) -> None:
    client = signed_in(notebook.owner)
    [a] = keystrokes("a")
    post(client, url_of(notebook), a)
    again = post(client, url_of(notebook, resent=1), a)
    assert again.json() == {"type": "ack", "first": None, "last": 2}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER, Role.APPROVER])
def test_who_may_only_read_may_not_post(
    notebook: Notebook, company: factories.Company, signed_in: SignedIn, role: str
) -> None:
    client = signed_in(factories.member(company.launches, role))
    assert client.get(url_of(notebook, since=0)).json()["level"] < Level.EDIT
    answer = post(client, url_of(notebook), keystrokes("a")[0])
    assert answer.status_code == 422
    assert answer.json() == {"type": "refused", "reason": "not_allowed"}
    assert DocUpdate.objects.filter(document=notebook.pk).count() == 1


@pytest.mark.parametrize("payload", [b"", b"garbage", keystrokes("abc")[0][:-1]])
def test_what_is_no_update_is_refused(
    notebook: Notebook, signed_in: SignedIn, payload: bytes
) -> None:
    answer = post(signed_in(notebook.owner), url_of(notebook), payload)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid")


@pytest.mark.parametrize("kind", ["updates", "fork"])
def test_a_notebook_that_one_may_not_see_does_not_exist(
    notebook: Notebook, company: factories.Company, signed_in: SignedIn, kind: str
) -> None:
    client = signed_in(factories.member(company.shops))
    [a] = keystrokes("a")
    answers = [
        post(client, url_of(notebook, kind), a),
        post(client, url_of(uuid.uuid4(), kind), a),
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content == b'{"type": "gone"}'


def test_polling_a_notebook_that_one_may_not_see(
    notebook: Notebook, company: factories.Company, signed_in: SignedIn
) -> None:
    client = signed_in(factories.member(company.shops))
    assert client.get(url_of(notebook, since=0)).json() == {"type": "gone"}


@pytest.mark.parametrize("kind", ["updates", "fork"])
def test_signed_out_scripts_are_told_so(notebook: Notebook, client: Client, kind: str) -> None:
    answer = post(client, url_of(notebook, kind), b"")
    assert (answer.status_code, answer.json()) == (401, {"type": "signedout"})


def test_a_post_without_the_token_of_our_pages_is_refused(notebook: Notebook) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(notebook.owner, backend="django.contrib.auth.backends.ModelBackend")
    for kind in ("updates", "fork"):
        assert post(client, url_of(notebook, kind), keystrokes("a")[0]).status_code == 403
    assert DocUpdate.objects.filter(document=notebook.pk).count() == 1


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"schema": SCHEMA_VERSION + 1}, "reload"),
        ({"epoch": str(uuid.uuid4())}, "diverged"),
        ({"epoch": "own", "since": 99}, "diverged"),
    ],
)
def test_copies_that_may_not_be_merged_are_told(
    notebook: Notebook, signed_in: SignedIn, method: str, query: dict[str, Any], kind: str
) -> None:
    epoch = str(Document.objects.get(pk=notebook.pk).epoch)
    query = {key: epoch if value == "own" else value for key, value in query.items()}
    client = signed_in(notebook.owner)
    url = url_of(notebook, **query)
    answer = client.get(url) if method == "get" else post(client, url, keystrokes("a")[0])
    assert (answer.status_code, answer.json()["type"]) == (409, kind)
    assert DocUpdate.objects.filter(document=notebook.pk).count() == 1


@pytest.mark.parametrize(
    "query",
    [
        {"since": "x"},
        {"since": "-1"},
        {"since": "²"},
        {"schema": ""},
        {"epoch": "x"},
        {"vector": "x"},
    ],
)
def test_strange_queries_are_malformed(
    notebook: Notebook, signed_in: SignedIn, query: dict[str, str]
) -> None:
    answer = signed_in(notebook.owner).get(url_of(notebook, **query))
    assert (answer.status_code, answer.json()["type"]) == (400, "malformed")


def test_other_methods_are_not_allowed(notebook: Notebook, signed_in: SignedIn) -> None:
    client = signed_in(notebook.owner)
    assert client.put(url_of(notebook)).status_code == 405
    assert client.get(url_of(notebook, "fork")).status_code == 405


def test_enough_posts_ask_for_a_compaction(
    notebook: Notebook, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[uuid.UUID] = []
    monkeypatch.setattr(updates, "COMPACT_EVERY", 2)
    monkeypatch.setattr(updates, "request_compaction", asked.append)
    post(signed_in(notebook.owner), url_of(notebook), keystrokes("a")[0])
    assert asked == [notebook.pk]


# --- forks --------------------------------------------------------------------------------------


def test_a_fork_is_a_private_notebook_of_ones_own(
    notebook: Notebook, company: factories.Company, signed_in: SignedIn
) -> None:
    viewer = factories.member(company.launches, Role.VIEWER)
    doc: Doc = Doc()
    words = doc.get("test", type=Text)
    words += "only on this device"
    answer = post(signed_in(viewer), url_of(notebook, "fork"), bytes(doc.get_update()))
    assert answer.status_code == 201
    fork = Notebook.objects.exclude(pk=notebook.pk).get()
    assert answer.json() == {"type": "forked", "url": f"/n/{fork.pk}/"}
    assert (fork.owner, fork.audience) == (viewer, Notebook.Audience.PRIVATE)
    assert fork.workspace == notebook.workspace
    assert fork.title.startswith(f"{notebook.title} (your copy, ")
    stored = history.whole(Document.objects.get(pk=fork.pk))
    assert text_of(*stored.updates) == "only on this device"
    event = AuditEvent.objects.get(verb="notebook.forked")
    assert event.data == {"original": str(notebook.pk)}
    assert DocUpdate.objects.filter(document=notebook.pk).count() == 1


def test_a_fork_of_a_long_title_still_says_what_it_is(notebook: Notebook) -> None:
    notebook.title = "x" * 200
    fork = fork_notebook(notebook=notebook, by=notebook.owner, content=keystrokes("a")[0])
    assert len(fork.title) == 200
    assert fork.title.endswith(")")


def test_a_copy_that_cannot_be_read_makes_no_notebook(
    notebook: Notebook, signed_in: SignedIn
) -> None:
    with pytest.raises(UnreadableCopy):
        fork_notebook(notebook=notebook, by=notebook.owner, content=b"garbage")
    answer = post(signed_in(notebook.owner), url_of(notebook, "fork"), b"garbage")
    assert (answer.status_code, answer.json()["type"]) == (422, "refused")
    assert Notebook.objects.count() == 1


def test_a_fork_has_pictures_of_its_own(notebook: Notebook) -> None:
    facts = {"sha256": "0" * 64, "mime": "image/png", "width": 1, "height": 1, "size_bytes": 9}
    shown, other = (
        Image.objects.create(notebook=notebook, file=f"{name}.png", **facts) for name in "ab"
    )
    picture = {"type": "image", "attrs": {"src": shown.get_absolute_url()}}
    content = document.encode({"type": "doc", "content": [picture]})
    fork = fork_notebook(notebook=notebook, by=notebook.owner, content=content)
    own = fork.images.get()
    assert own.file == shown.file
    stored = history.whole(fork.document).updates[0]
    assert document.image_sources(stored) == {own.get_absolute_url()}
    assert notebook.images.count() == 2
    assert other.get_absolute_url() not in document.image_sources(stored)


def test_what_waits_in_a_copy_with_pictures_goes_on_waiting(notebook: Notebook) -> None:
    first, second, third = keystrokes("abc")
    state = document.redirect(crdt_merged(first, third), sources={"/x/": "/y/"})
    assert text_of(state, second) == "abc"


def crdt_merged(*payloads: bytes) -> bytes:
    return bytes(merge_updates(*payloads))


def test_too_many_forks_are_refused_in_words(notebook: Notebook, signed_in: SignedIn) -> None:
    client = signed_in(notebook.owner)
    for _ in range(forks.FORKS.times):
        forks.FORKS.spend(notebook.owner.pk)
    answer = post(client, url_of(notebook, "fork"), keystrokes("a")[0])
    assert answer.status_code == 429
    assert answer.json()["type"] == "refused"
    assert "again in" in answer.json()["reason"]
    assert Notebook.objects.count() == 1
