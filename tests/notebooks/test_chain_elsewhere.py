"""A run that also writes in another notebook: whoever looks there sees it, and may stop it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from apps.accounts.models import User
from apps.inference import execution, host, outbox
from apps.inference import services as inference
from apps.inference.models import Delivery, Output, Run, RunStatus
from apps.notebooks import chain_page, mirrors
from apps.notebooks.services import ai_switch, chain
from apps.notebooks.services.notebooks import delete_notebook, restore_notebook, trash_notebook
from apps.organizations.models import Membership, Role
from apps.realtime.database import close_threads
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.browsers import joined
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def threads_end(settings) -> Iterator[None]:
    host.close()
    settings.INFERENCE_SCRIPT = {"words": 40, "delay_s": 0.01}
    yield
    close_threads()
    mirrors.forget_all()
    host.close()


@pytest.fixture
def editor(company):
    deployment()
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def book(company, editor):
    """What the other notebook reads."""
    return writers.notebook(
        company.launches, editor, text_cell("brief", "Oats"), prompt_cell("tagline", chip("brief"))
    )


@pytest.fixture
def news(company, editor, book):
    """Where Update is pressed: its only cell reads one of the book."""
    cell = prompt_cell("news", chip("tagline", of=book))
    return writers.notebook(company.newsroom, editor, cell, title="News")


def work(run: Run) -> None:
    try:
        execution.run_stage(run_id=str(run.pk), pool="inference")
        outbox.deliver()
    finally:
        connection.close()


def shown_text(book, user: User, cell: str) -> str:
    state = chain_page.state_for(writers.access(book, user), user)
    steps = [step for run in state["runs"] for step in run["steps"]]
    assert {step["key"] for step in steps} <= {f"{book.pk}:{cell_id(cell)}"}
    return steps[0]["texts"][0]["text"] if steps and steps[0]["texts"] else ""


async def follow(socket, keep: list) -> None:
    """Keep every event until the run is told to be over."""
    while True:
        frame = await socket.receive(20)
        if isinstance(frame, dict):
            keep.append(frame)
            if frame.get("type") == "inference.run" and frame["status"] == "succeeded":
                return


def words_of(heard: list, cell: str) -> str:
    text = ""
    for event in heard:
        if event["type"] == "inference.delta" and event["key"].endswith(str(cell_id(cell))):
            assert event["seq"] == len(text)
            text += event["text"]
    return text


def put_together(text: str, heard: list) -> str | None:
    """Return the text by the page's rule (apps.inference.events); None while something is missing."""
    for event in heard:
        if event["type"] == "inference.delta":
            if event["seq"] > len(text):
                return None
            text = text[: event["seq"]] + event["text"]
    return text


async def catch_up(heard: list, book, user: User) -> str:
    """Ask how things stand until nothing is missing between that and what was heard."""
    while True:
        text = await sync_to_async(shown_text)(book, user, "tagline")
        if text and put_together(text, heard):
            return text
        await asyncio.sleep(0.02)


async def test_viewers_of_each_notebook_see_the_words_of_its_own_cells(company, book, news, editor):
    reader = await sync_to_async(member)(company.launches, Role.VIEWER)
    here, _, _ = await joined(news.pk, editor)
    there, _, _ = await joined(book.pk, reader, client=2)
    heard: dict[str, list] = {"here": [], "there": []}
    run = await sync_to_async(writers.update)(news, editor)
    thread = threading.Thread(target=work, args=[run])
    thread.start()
    following = asyncio.gather(follow(here, heard["here"]), follow(there, heard["there"]))
    while not any(event["type"] == "inference.delta" for event in heard["there"]):
        await asyncio.sleep(0.01)
    late, _, _ = await joined(book.pk, reader, client=3)  # listens first, then asks
    heard_late: list = []
    following = asyncio.gather(following, follow(late, heard_late))
    caught_up = await catch_up(heard_late, book, reader)
    assert not following.done()
    await following
    await sync_to_async(thread.join)(10)
    for heard_by in heard.values():
        assert {"inference.delta", "inference.step", "inference.run"} <= {
            one["type"] for one in heard_by
        }
    outputs = {
        one.step_run.key: one.text async for one in Output.objects.select_related("step_run")
    }
    tagline, written = (
        outputs[f"{b.pk}:{cell_id(c)}"] for b, c in ((book, "tagline"), (news, "news"))
    )
    assert words_of(heard["there"], "tagline") == tagline
    assert words_of(heard["here"], "news") == written
    for heard_by, other in ((heard["here"], "tagline"), (heard["there"], "news")):
        assert not [one for one in heard_by if one.get("key", "").endswith(str(cell_id(other)))]
    assert put_together(caught_up, heard_late) == tagline
    for socket in (here, there, late):
        await socket.close()


def test_whoever_comes_later_finds_the_words_and_nothing_of_the_other_notebook(book, news, editor):
    run = writers.update(news, editor)
    assert shown_text(book, editor, "tagline") == ""
    execution.run_stage(run_id=str(run.pk), pool="inference")
    assert shown_text(book, editor, "tagline") == Output.objects.get(step_run__position=0).text
    assert shown_text(news, editor, "news") == Output.objects.get(step_run__position=1).text


def test_whoever_may_run_there_stops_it_from_there(company, book, news, editor):
    run = writers.update(news, editor)
    colleague = member(company.launches, Role.EDITOR)
    assert chain.stop(access=writers.access(book, colleague), by=colleague) == 1
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


def test_a_cell_that_is_being_written_from_elsewhere_is_not_written_twice(book, news, editor):
    run = writers.update(news, editor)
    assert writers.update(book, editor) == run
    assert Run.objects.count() == 1


def test_switching_models_off_where_it_also_writes_stops_it(company, book, news, editor):
    run = writers.update(news, editor)
    ai_switch.switch_workspace(workspace=company.launches, on=False, by=company.owner)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED


class TestMayGoOn:
    """Asked when a run has waited: may whoever began it still write everywhere that it writes?"""

    @pytest.fixture
    def run(self, news, editor):
        return writers.update(news, editor)

    def test_while_nothing_has_changed(self, run):
        assert chain.may_go_on(run)

    def test_not_once_the_person_is_no_member_any_more(self, run, editor):
        Membership.objects.filter(user=editor).delete()
        assert not chain.may_go_on(run)

    @pytest.mark.parametrize("place", ["launches", "newsroom"])
    def test_not_once_the_person_may_only_look_at_one_of_them(self, news, company, place):
        person = member(company.launches, Role.EDITOR)
        member(company.newsroom, Role.EDITOR, user=person)
        run = writers.update(news, person)
        assert chain.may_go_on(run)
        demoted = Membership.objects.filter(user=person, workspace=getattr(company, place))
        assert demoted.update(role=Role.VIEWER) == 1
        assert not chain.may_go_on(run)

    def test_not_once_the_account_is_closed(self, run, editor):
        editor.is_active = False
        editor.save()
        run.refresh_from_db()
        assert not chain.may_go_on(run)

    def test_not_once_the_account_is_gone(self, run):
        run.actor = None
        assert not chain.may_go_on(run)

    @pytest.mark.parametrize("place", ["book", "news"])
    def test_not_while_one_of_the_notebooks_is_in_the_trash(self, run, place, request):
        notebook = request.getfixturevalue(place)
        trash_notebook(notebook=notebook, by=notebook.owner)
        assert not chain.may_go_on(run)
        restore_notebook(notebook=notebook, by=notebook.owner)
        assert chain.may_go_on(run)

    def test_not_where_models_were_switched_off(self, run, book):
        book.workspace.ai_enabled = False
        book.workspace.save()
        assert not chain.may_go_on(run)


@pytest.mark.parametrize("place", ["book", "news"])
def test_a_notebook_that_is_deleted_in_the_middle_leaves_nothing_stuck(
    book, news, editor, place, request
):
    run = writers.update(news, editor)
    notebook = request.getfixturevalue(place)
    trash_notebook(notebook=notebook, by=notebook.owner)
    notebook.refresh_from_db()
    delete_notebook(notebook=notebook, by=notebook.owner)
    execution.run_stage(run_id=str(run.pk), pool="inference")
    inference.reconcile()
    run.refresh_from_db()
    assert run.is_over
    assert not Delivery.objects.filter(delivered_at__isnull=True).exists()
