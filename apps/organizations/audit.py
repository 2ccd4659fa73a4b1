"""Leave a trace of every write of a person or a model."""

from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db import models

from apps.accounts.models import User
from apps.organizations.models import AuditEvent, Division, Organization


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the request at hand came from."""

    ip: str | None = None
    user_agent: str = ""


def origin_at(address: str, user_agent: str) -> Origin:
    """Return the origin; what is no address is left out: a proxy may pass on what a browser invented."""
    try:
        return Origin(ip=str(ip_address(address)), user_agent=user_agent)
    except ValueError:
        return Origin(user_agent=user_agent)


origin: ContextVar[Origin] = ContextVar("audit_origin", default=Origin())  # noqa: B039  (frozen)


def record(
    *,
    verb: str,
    actor: User | None,
    organization: Organization | None,
    target: models.Model | None = None,
    data: dict[str, Any] | None = None,
) -> AuditEvent:
    """Add the event within the caller's transaction.

    Args:
        verb: noun.participle, such as notebook.created.
        actor: who did it; None when InferenceCloud did.
        organization: whose log shows it; None leaves it to the operator of the instance.
        target: what it was done to.
        data: JSON values; never the text of documents.
    """
    came_from = origin.get()
    return AuditEvent.objects.create(
        organization=organization,
        division_id=_division_of(target),
        actor=actor,
        actor_label=(f"{actor} <{actor.email}>" if actor else "InferenceCloud")[:120],
        verb=verb,
        target_type=target._meta.label_lower if target else "",
        target_id=str(target.pk) if target else "",
        target_label=str(target)[:200] if target else "",
        ip=came_from.ip,
        user_agent=came_from.user_agent[:300],
        data=data or {},
    )


def _division_of(target: object) -> UUID | None:
    """Return the id of the division that the target lies in: its lead may read the event."""
    if isinstance(target, Division):
        return target.pk
    place = getattr(target, "notebook", None) or target  # a grant, a picture: where the notebook is
    place = getattr(place, "workspace", None) or place
    return getattr(place, "division_id", None)
