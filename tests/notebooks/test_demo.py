"""The demo of a first start."""

import stat
from io import StringIO
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate
from django.core.management import call_command

from apps.accounts.models import User
from apps.notebooks import chain_page, document, history, selectors
from apps.notebooks.models import Notebook
from apps.notebooks.projection import project
from apps.notebooks.services import demo_chain
from apps.notebooks.services.demo import ACCOUNTS_FILE, seed_demo
from apps.organizations.models import Division, Organization, Role, Workspace
from apps.organizations.policy import Level, roles_in
from tests import factories

pytestmark = pytest.mark.django_db


def test_the_demo_is_a_company_with_people_by_role(tmp_path: Path) -> None:
    accounts = seed_demo(tmp_path)
    company = Organization.objects.get()
    assert Division.objects.count() == 2
    assert Workspace.objects.count() == 3
    people = {
        account.role.split(" ")[0]: User.objects.get(email=account.email) for account in accounts
    }
    assert list(people) == ["Editor", "Approver", "Admin", "Model"]
    assert roles_in(people["Admin"], company) == {Role.OWNER}
    assert roles_in(people["Model"], company) == {Role.STEWARD}
    assert len({account.password for account in accounts}) == len(accounts) == 5


def test_everybody_of_the_demo_can_sign_in_at_once(tmp_path: Path) -> None:
    for account in seed_demo(tmp_path):
        signed_in = authenticate(None, username=account.email, password=account.password)
        assert signed_in is not None
        assert EmailAddress.objects.get(user=signed_in).verified
        assert not signed_in.is_staff


def test_the_accounts_are_kept_where_only_the_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / ACCOUNTS_FILE
    path.parent.mkdir()
    path.write_text("of an earlier database")
    path.chmod(0o644)
    accounts = seed_demo(path.parent)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text().splitlines()
    assert len(lines) == len(accounts)
    for account, line in zip(accounts, lines, strict=True):
        assert line.endswith(f"{account.email}, {account.password}")


def test_the_notebooks_are_filled_and_shared_across_the_divisions(tmp_path: Path) -> None:
    accounts = {account.email.split("@")[0]: account for account in seed_demo(tmp_path)}
    mara, tomas, ines, jonas = (
        User.objects.get(email=accounts[name].email) for name in ("mara", "tomas", "ines", "jonas")
    )
    brief, plan, texts, _chain = Notebook.objects.order_by("pk")
    for notebook in (brief, plan, texts):
        read = document.decode(history.whole(notebook.document).updates[0])
        assert len(document.plain_text(read).split()) > 250
        assert {"heading", "paragraph", "bulletList", "table"} <= {
            block["type"] for block in read["content"]
        }
    assert [selectors.level_of(tomas, one) for one in (brief, plan, texts)] == [
        Level.COMMENT,
        Level.EDIT,
        Level.MANAGE,
    ]
    assert [selectors.level_of(mara, one) for one in (brief, plan, texts)] == [
        Level.MANAGE,
        Level.MANAGE,
        Level.RUN,
    ]
    assert selectors.level_of(ines, texts) == Level.SUGGEST
    # Who administers does not read.
    assert not selectors.visible_notebooks(jonas, Organization.objects.get()).exists()


def test_one_notebook_is_a_chain_of_four_texts_that_can_be_written_at_once(tmp_path: Path) -> None:
    seed_demo(tmp_path)
    mara = User.objects.get(email__startswith="mara")
    book = Notebook.objects.order_by("pk").last()
    assert book is not None
    access = selectors.access_notebook(mara, book.pk)
    state = chain_page.state_for(access, mara)
    assert [cell["problems"] for cell in state["cells"]] == [[]] * 5
    assert state["update"]["count"] == 4
    assert access.notebook.title == "Finch Backpack: from brief to texts"


def test_the_brief_reaches_the_model_line_by_line(tmp_path: Path) -> None:
    seed_demo(tmp_path)
    book = Notebook.objects.order_by("pk").last()
    assert book is not None
    brief = project(book.pk).cells[0]
    assert brief.readable.splitlines() == list(demo_chain.BRIEF)


def test_where_people_exist_nothing_is_added(tmp_path: Path) -> None:
    factories.person()
    assert seed_demo(tmp_path) == []
    assert not Organization.objects.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_how_to_sign_in_once(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    settings.DATA_DIR = tmp_path  # type: ignore[attr-defined]
    first, second = StringIO(), StringIO()
    call_command("seed_demo", stdout=first)
    call_command("seed_demo", stdout=second)
    kept = (tmp_path / ACCOUNTS_FILE).read_text()
    for line in kept.splitlines():
        assert line.rpartition(", ")[2] in first.getvalue()
    assert "the demo was not added" in second.getvalue()
