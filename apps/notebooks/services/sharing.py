"""Give and withdraw rights on one notebook.

Sharing needs the manage level (the view asks the gate). The owner always manages and holds no grant,
so a notebook never loses its last manager, whatever else is withdrawn.
"""

import hashlib
from base64 import urlsafe_b64encode
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError, NotVisible
from apps.notebooks import selectors
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.services.notebooks import OtherOrganization, refuse_stranger
from apps.organizations import audit
from apps.organizations.models import Division, Membership
from apps.organizations.policy import Level
from apps.organizations.services.memberships import lock_organization
from apps.realtime import publish
from apps.realtime.access import AccessChanged

LINK_DAYS = (1, 7, 30)


class AboveOwnLevel(DomainError):
    """Nobody gives, changes or withdraws more than they have themselves."""


class OwnerHasEverything(DomainError):
    """The owner needs no grant."""


class LinkDaysNotOffered(DomainError):
    """A link lives for one of the lengths of time that are offered."""


@transaction.atomic
def share_with_person(*, notebook: Notebook, by: User, person: User, level: Level) -> ShareGrant:
    """Give a member of the organization a level, or change the one given before."""
    lock_organization(notebook.organization_id)  # who leaves meanwhile takes no grant along
    notebook = _locked(notebook)
    _refuse_above_own(notebook, by, level)
    if person == notebook.owner:
        message = _("%(person)s owns “%(title)s” and may do everything already.")
        raise OwnerHasEverything(message % {"person": person, "title": notebook})
    refuse_stranger(person, notebook.organization)
    grant, _made = ShareGrant.objects.update_or_create(
        notebook=notebook,
        user=person,
        through_link=None,
        defaults={"level": level, "expires_at": None, "created_by": by},
    )
    _record(grant, by, "notebook.shared")
    return grant


@transaction.atomic
def share_with_division(
    *, notebook: Notebook, by: User, division: Division, level: Level
) -> ShareGrant:
    """Give everybody in a division, and in those below it, a level."""
    notebook = _locked(notebook)
    _refuse_above_own(notebook, by, level)
    if division.organization_id != notebook.organization_id:
        raise OtherOrganization(_("A notebook stays within its organization."))
    grant, _made = ShareGrant.objects.update_or_create(
        notebook=notebook, division=division, defaults={"level": level, "created_by": by}
    )
    _record(grant, by, "notebook.shared")
    return grant


@transaction.atomic
def create_link(*, notebook: Notebook, by: User, level: Level, days: int) -> ShareGrant:
    """Create a link that gives whoever of the organization opens it a level, for some days."""
    notebook = _locked(notebook)
    _refuse_above_own(notebook, by, level)
    if days not in LINK_DAYS:
        message = _("Wanted one of %(offered)s days, got %(days)s.")
        raise LinkDaysNotOffered(message % {"offered": LINK_DAYS, "days": days})
    link = ShareGrant(notebook=notebook, level=level, created_by=by)
    link.expires_at = timezone.now() + timedelta(days=days)
    link.link_sha256 = _sha256(link_token(link))
    link.save()
    _record(link, by, "notebook.link_created")
    return link


@transaction.atomic
def change_grant(*, grant: ShareGrant, by: User, level: Level) -> ShareGrant:
    """Change the level of a grant; a link's level is that of everybody who came by it."""
    notebook = _locked(grant.notebook)
    _refuse_above_own(notebook, by, max(level, Level(grant.level)))
    grant.level = level
    grant.save(update_fields=["level"])
    grant.opened.update(level=level)
    _record(grant, by, "notebook.share_changed")
    return grant


@transaction.atomic
def withdraw_grant(*, grant: ShareGrant, by: User) -> None:
    """Take a grant away; with a link goes what people hold through it."""
    notebook = _locked(grant.notebook)
    _refuse_above_own(notebook, by, Level(grant.level))
    _record(grant, by, "notebook.share_withdrawn")
    grant.delete()


@transaction.atomic
def change_audience(*, notebook: Notebook, by: User, audience: str) -> Notebook:
    """Open the notebook to its workspace, or close it to all but those it is shared with."""
    notebook = _locked(notebook)
    if notebook.audience == audience:
        return notebook
    notebook.audience = audience
    notebook.save(update_fields=["audience"])
    audit.record(
        verb="notebook.audience_changed",
        actor=by,
        organization=notebook.organization,
        target=notebook,
        data={"after": audience},
    )
    publish.on_commit(f"notebook.{notebook.pk}", AccessChanged())
    return notebook


@transaction.atomic
def open_link(*, token: str, by: User) -> Notebook:
    """Return the notebook of a link, keeping for the person what the link gives; or NotVisible."""
    links = ShareGrant.objects.select_related("notebook__organization", "notebook__workspace")
    link = links.filter(link_sha256=_sha256(token), expires_at__gt=timezone.now()).first()
    if link is None or link.notebook.trashed_at:
        raise NotVisible
    notebook = link.notebook
    lock_organization(notebook.organization_id)
    if not Membership.objects.filter(user=by, organization=notebook.organization_id).exists():
        raise NotVisible
    if selectors.level_of(by, notebook) >= link.level:
        return notebook
    grant, made = ShareGrant.objects.update_or_create(
        notebook=notebook,
        user=by,
        through_link=link,
        defaults={"level": link.level, "expires_at": link.expires_at},
    )
    if made:
        _record(grant, by, "notebook.link_opened")
    return notebook


def link_token(link: ShareGrant) -> str:
    """Return the secret of a link.

    It is derived from the installation's key, so that a manager can copy the link again later,
    while a copy of the database opens nothing: that holds the hash of the secret alone.
    """
    digest = salted_hmac("notebooks.share_link", str(link.pk), algorithm="sha256").digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _locked(notebook: Notebook) -> Notebook:
    everything = Notebook.objects.select_related("organization", "workspace__division__parent")
    return everything.select_for_update(of=("self",)).get(pk=notebook.pk)


def _refuse_above_own(notebook: Notebook, by: User, level: Level) -> None:
    own = selectors.level_of(by, notebook)
    if level > own:
        message = _("You have the level “%(own)s” and cannot give or take “%(level)s”.")
        raise AboveOwnLevel(message % {"own": own.name.lower(), "level": level.name.lower()})


def _record(grant: ShareGrant, by: User, verb: str) -> None:
    """Leave the trace of a change to a grant and tell those whose rights it changes."""
    with_whom = "link" if grant.link_sha256 else "person" if grant.user_id else "division"
    audit.record(
        verb=verb,
        actor=by,
        organization=grant.notebook.organization,
        target=grant.notebook,
        data={
            "with": with_whom,
            "name": str(grant.user or grant.division or ""),
            "level": Level(grant.level).name.lower(),
            "until": grant.expires_at.isoformat() if grant.expires_at else None,
        },
    )
    if grant.user_id:
        publish.on_commit(f"user.{grant.user_id}", AccessChanged())
    else:
        publish.on_commit(f"notebook.{grant.notebook_id}", AccessChanged())
