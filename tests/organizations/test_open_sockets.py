"""A right that ends, ends the open socket, too: through the real consumer."""

from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from apps.notebooks import messages, mirrors
from apps.notebooks.models import SCHEMA_VERSION, Notebook
from apps.notebooks.services import leaving
from apps.organizations.models import Membership, Role
from apps.organizations.services import memberships, structure
from apps.realtime.database import close_threads
from tests import factories
from tests.factories import PASSWORD, Company
from tests.notebooks.browsers import Closed, Socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """Give the database back before the test's tables are emptied."""
    yield
    close_threads()
    mirrors.forget_all()


class Scene:
    """An editor with a notebook open in one browser, and signed in to another."""

    def __init__(self) -> None:
        self.company: Company = factories.company()
        self.editor: User = factories.member(self.company.launches)
        factories.member(self.company.shops, Role.VIEWER, user=self.editor)
        self.notebook: Notebook = factories.notebook(self.company.launches)
        self.here, self.elsewhere = self._browser(), self._browser()

    def _browser(self) -> Client:
        client = Client()
        form = {"login": self.editor.email, "password": PASSWORD}
        assert client.post("/accounts/login/", form).status_code == 302
        client.get("/settings/")
        return client

    @property
    def session(self) -> str:
        return self.here.cookies[settings.SESSION_COOKIE_NAME].value


def _sign_out(scene: Scene) -> None:
    scene.here.post("/accounts/logout/")


def _end_the_session_from_elsewhere(scene: Scene) -> None:
    scene.elsewhere.post("/accounts/sessions/")


def _change_the_password_elsewhere(scene: Scene) -> None:
    new = "another-long-enough-password"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert scene.elsewhere.post("/accounts/password/change/", form).status_code == 302


def _take_the_role(scene: Scene) -> None:
    held = Membership.objects.get(user=scene.editor, workspace=scene.company.launches)
    memberships.end_membership(membership=held, by=scene.company.owner)


def _remove_the_person(scene: Scene) -> None:
    departure = leaving.Departure(
        organization=scene.company.organization, person=scene.editor, heir=None
    )
    leaving.leave(departure=departure, by=scene.company.owner)


def _close_the_account(scene: Scene) -> None:
    operator = User.objects.create_superuser("root@example.com", "x", name="Root")
    client = Client()
    client.force_login(operator, backend="allauth.account.auth_backends.AuthenticationBackend")
    form = {"email": scene.editor.email, "name": "E", "caret_color": "0", "theme": "system"}
    url = f"/admin/accounts/user/{scene.editor.pk}/change/"
    assert client.post(url, {**form, "language": "en"}).status_code == 302


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_sign_out, 4401),
        (_end_the_session_from_elsewhere, 4401),
        (_change_the_password_elsewhere, 4401),
        (_take_the_role, 4404),
        (_remove_the_person, 4404),
        (_close_the_account, 4401),
    ],
)
async def test_the_open_socket_ends(end: Callable[[Scene], None], code: int) -> None:
    scene = await sync_to_async(Scene)()
    socket = await _open(scene)
    await sync_to_async(end)(scene)
    assert await _closed(socket) == code


async def test_a_role_that_shrinks_is_said_to_the_open_socket() -> None:
    scene = await sync_to_async(Scene)()
    socket = await _open(scene)
    held = await Membership.objects.aget(user=scene.editor, workspace=scene.company.launches)
    await sync_to_async(memberships.change_role)(
        membership=held, role=Role.VIEWER, by=scene.company.owner
    )
    assert (await socket.receive_type("level"))["level"] == 10
    await socket.close()


async def test_a_workspace_that_moves_takes_the_readers_of_its_division_along() -> None:
    scene = await sync_to_async(Scene)()
    lead = await sync_to_async(factories.member)(scene.company.brand, Role.DIVISION_LEAD)
    await sync_to_async(scene.here.force_login)(
        lead, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    socket = await _open(scene)
    await sync_to_async(structure.move_workspace)(
        workspace=scene.company.launches, division=scene.company.retail, by=scene.company.owner
    )
    assert await _closed(socket) == 4404


async def _open(scene: Scene) -> Socket:
    socket = Socket(scene.notebook.pk, scene.session)
    await socket.open()
    await socket.send({"type": "hello", "schema": SCHEMA_VERSION, "client": 1})
    await socket.receive_type("welcome")
    await socket.receive_kind(messages.SYNC)
    return socket


async def _closed(socket: Socket) -> int:
    try:
        while True:
            await socket.receive()
    except Closed as closed:
        return closed.code
