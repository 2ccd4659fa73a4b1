"""Where writing with models is switched off nothing of it is shown, and every way to it refuses in words."""

import uuid

import pytest

from apps.inference.models import Run
from apps.notebooks.models import CellOutput
from apps.notebooks.projection import project
from apps.notebooks.services import ai_switch
from apps.organizations.models import AuditEvent, Role
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"Accept": "application/json"}


@pytest.fixture
def editor(company):
    deployment()
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def book(company, editor):
    return writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A new oat bar"),
        prompt_cell("tagline", chip("brief")),
    )


@pytest.fixture
def switches(company, book, editor):
    """Return what turns each of the three switches."""
    owner = company.owner
    return {
        "organization": lambda on: ai_switch.switch_organization(
            organization=company.organization, on=on, by=owner
        ),
        "workspace": lambda on: ai_switch.switch_workspace(
            workspace=company.launches, on=on, by=owner
        ),
        "person": lambda on: ai_switch.switch_self(user=editor, on=on),
    }


def requests_of(book, output):
    """Return every way to the chain but the state itself: method, path, data."""
    base = f"/n/{book.pk}/chain/"
    cell = cell_id("tagline")
    return [
        ("post", f"{base}run/", {"key": "a-key-of-mine"}),
        ("post", f"{base}stop/", {}),
        ("get", f"{base}pick/", {}),
        ("get", f"{base}source/", {"cell": str(cell_id("brief"))}),
        ("get", f"{base}graph/", {}),
        ("post", f"{base}outputs/{output}/adopt/", {}),
        ("post", f"{base}outputs/{output}/dismiss/", {}),
        ("post", f"{base}cells/{cell}/back/", {}),
        ("post", f"{base}cells/{cell}/release/", {}),
    ]


@pytest.mark.parametrize("which", ["organization", "workspace", "person"])
def test_every_way_refuses_while_a_switch_is_off_and_opens_again(
    switches, which, book, editor, signed_in
):
    writers.write(book, editor)
    client = signed_in(editor)
    output = CellOutput.objects.get().output_id
    switches[which](on=False)
    for method, path, data in requests_of(book, output):
        answer = getattr(client, method)(path, data, headers=JSON)
        assert answer.status_code == 409, path
        assert "switched" in answer.json()["error"], path
    state = client.get(f"/n/{book.pk}/chain/").json()
    assert (state["ai"], state["may_run"], "update" in state, "runs" in state) == (
        False,
        False,
        False,
        False,
    )
    assert all(cell["waiting"] == [] and cell["state"] == "none" for cell in state["cells"])
    assert '"ai": false' in client.get(f"/n/{book.pk}/").text
    switches[which](on=True)
    assert client.get(f"/n/{book.pk}/chain/").json()["ai"] is True


@pytest.mark.parametrize("which", ["organization", "workspace", "person"])
def test_what_is_being_written_stops(switches, which, book, editor):
    run = writers.update(book, editor)
    switches[which](on=False)
    run.refresh_from_db()
    assert run.cancel_requested_at is not None
    writers.work(run)
    assert Run.objects.get().status == "cancelled"


def test_an_output_that_was_on_its_way_waits_where_models_are_off(switches, book, editor):
    from apps.inference import execution, outbox

    run = writers.update(book, editor)
    execution.run_stage(run_id=str(run.pk), pool=run.steps.get().pool)
    switches["workspace"](on=False)
    outbox.deliver()
    assert CellOutput.objects.get().status == "waiting"
    assert writers.cells(book)["tagline"].text == ""


def test_update_leaves_alone_what_lies_where_models_are_off(switches, company, book, editor):
    near = writers.notebook(
        company.newsroom, editor, prompt_cell("news", chip("brief", of=book)), title="News"
    )
    also = writers.notebook(
        company.newsroom, editor, prompt_cell("more", chip("tagline", of=book)), title="More"
    )
    switches["workspace"](on=False)
    writers.type_result(book, editor, "tagline", "Ours")
    project(book.pk)
    for one, name in ((near, "news"), (also, "more")):
        writers.write(one, editor)
        assert writers.cells(one)[name].text
    assert writers.cells(book)["tagline"].text == "Ours"


def test_two_presses_leave_one_trace(switches):
    for which in ("organization", "workspace", "person"):
        switches[which](on=False)
        switches[which](on=False)
    verbs = AuditEvent.objects.filter(verb__contains="ai_switched").values_list("verb", flat=True)
    assert sorted(verbs) == [
        "organization.ai_switched_off",
        "profile.ai_switched_off",
        "workspace.ai_switched_off",
    ]


def test_everybody_whom_it_may_concern_is_told(switches, editor, company, monkeypatch):
    told = []
    monkeypatch.setattr(
        "apps.realtime.publish.send", lambda topic, event: told.append((topic, event.type))
    )
    switches["workspace"](on=False)
    assert {(f"user.{one.pk}", "ai.switched") for one in (editor, company.owner)} <= set(told)
    told.clear()
    switches["person"](on=False)
    assert told == [(f"user.{editor.pk}", "ai.switched")]


class TestPages:
    def test_the_organization_s_settings_hold_its_switch(self, company, signed_in):
        client = signed_in(company.owner)
        page = f"/o/{company.organization.slug}/settings/"
        assert "Models may write" in client.get(page).text
        answer = client.post(f"{page}models/", follow=True)
        assert "Writing with models is off in" in answer.text
        company.organization.refresh_from_db()
        assert company.organization.ai_enabled is False
        client.post(f"{page}models/", {"on": "on"})
        company.organization.refresh_from_db()
        assert company.organization.ai_enabled is True

    def test_the_structure_page_holds_each_workspace_s(self, company, signed_in):
        client = signed_in(company.owner)
        page = f"/o/{company.organization.slug}/structure/"
        path = f"{page}workspaces/{company.launches.pk}/models/"
        assert path in client.get(page).text
        client.post(path)
        company.launches.refresh_from_db()
        assert company.launches.ai_enabled is False
        assert "no models" in client.get(page).text

    def test_one_s_own_settings_hold_one_s_own(self, editor, signed_in):
        client = signed_in(editor)
        assert "/settings/models/" in client.get("/settings/").text
        client.post("/settings/models/")
        editor.refresh_from_db()
        assert editor.ai_enabled is False

    def test_an_editor_cannot_turn_the_others_switches(self, company, editor, signed_in):
        client = signed_in(editor)
        base = f"/o/{company.organization.slug}"
        assert client.post(f"{base}/settings/models/").status_code == 404
        path = f"{base}/structure/workspaces/{company.launches.pk}/models/"
        assert client.post(path).status_code == 404
        assert client.post(f"{base}/structure/workspaces/{uuid.uuid4()}/models/").status_code == 404
