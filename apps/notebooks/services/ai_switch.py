"""Switch writing with models off and on: for an organization, a workspace, or oneself.

What is being written there stops at once, and open pages follow (apps.notebooks.ai says what is hidden and
refused).
"""

from dataclasses import dataclass
from typing import ClassVar

from django.db import transaction

from apps.accounts.models import User
from apps.inference import services as inference
from apps.inference.models import Run, RunQuerySet
from apps.inference.specs import Subject
from apps.organizations import audit
from apps.organizations.models import Membership, Organization, Workspace
from apps.realtime import publish
from apps.realtime.events import Event


@dataclass(frozen=True, kw_only=True)
class AiSwitched(Event):
    """A switch was turned that may concern this person: open notebooks ask how things stand."""

    type: ClassVar[str] = "ai.switched"


@transaction.atomic
def switch_organization(*, organization: Organization, on: bool, by: User) -> None:
    """Let models write in the organization, or nowhere in it."""
    if not _turn(organization, on=on):
        return
    audit.record(
        verb=f"organization.ai_switched_{_word(on)}",
        actor=by,
        organization=organization,
        target=organization,
    )
    if not on:
        _stop(Run.objects.filter(organization=organization), by)
    _tell_members(organization)


@transaction.atomic
def switch_workspace(*, workspace: Workspace, on: bool, by: User) -> None:
    """Let models write in the workspace's notebooks, or not."""
    if not _turn(workspace, on=on):
        return
    audit.record(
        verb=f"workspace.ai_switched_{_word(on)}",
        actor=by,
        organization=workspace.organization,
        target=workspace,
    )
    if not on:
        ids = workspace.notebooks.values_list("pk", flat=True)
        _stop(Run.objects.shown_to(*(Subject(kind="notebook", id=str(pk)) for pk in ids)), by)
    _tell_members(workspace.organization)


@transaction.atomic
def switch_self(*, user: User, on: bool) -> None:
    """Show the person what models do and let them use it, or neither."""
    if not _turn(user, on=on):
        return
    audit.record(
        verb=f"profile.ai_switched_{_word(on)}", actor=user, organization=None, target=user
    )
    if not on:
        _stop(Run.objects.filter(actor=user), user)
    publish.on_commit(f"user.{user.pk}", AiSwitched())


def _turn(place: Organization | Workspace | User, *, on: bool) -> bool:
    """Set the switch; say whether it stood otherwise (two presses leave one trace)."""
    place.refresh_from_db(fields=["ai_enabled"])
    if place.ai_enabled == on:
        return False
    place.ai_enabled = on
    place.save(update_fields=["ai_enabled"])
    return True


def _word(on: bool) -> str:  # noqa: FBT001  (a word for a truth)
    return "on" if on else "off"


def _stop(runs: RunQuerySet, by: User) -> None:
    for run in runs.going_on():
        inference.cancel_run(run=run, by=by)


def _tell_members(organization: Organization) -> None:
    """Tell everybody: whom a share lets into which notebook would cost more to find out."""
    members = Membership.objects.filter(organization=organization).values_list("user", flat=True)
    for user_id in set(members):
        publish.on_commit(f"user.{user_id}", AiSwitched())
