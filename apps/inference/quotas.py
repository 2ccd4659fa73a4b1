"""How many tokens a day may be spent: what is left, who has to wait, who is told.

A run begins while anything is left of every quota that it falls under, and is then written to its end: a
day may end above its quota by the runs that had begun. Whoever comes later waits in the line until
midnight (UTC), or until somebody raises the quota.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.inference.models import Output, Quota, Run, Usage
from apps.organizations import audit
from apps.organizations.models import Division, Membership, Organization
from apps.organizations.policy import ADMINISTRATORS, ancestry, with_those_below


class QuotaOutOfRange(DomainError):
    """A quota was to be no positive number of tokens."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A quota and what has been spent of it today."""

    quota: Quota
    spent_tokens: int

    @property
    def left_tokens(self) -> int:
        """Return what is left, at least 0."""
        return max(0, self.quota.tokens_per_day - self.spent_tokens)

    @property
    def is_used_up(self) -> bool:
        """Say whether nothing is left."""
        return self.left_tokens == 0

    @property
    def whose(self) -> str:
        """Return whom it limits."""
        return str(self.quota.user or self.quota.division or self.quota.organization)

    @property
    def words(self) -> str:
        """Say that it is used up, and what happens now."""
        message = _(
            "Today's tokens of %(whose)s are used up (%(tokens)s). This update waits and goes on by"
            " itself at midnight UTC, or as soon as the limit is raised."
        )
        return message % {"whose": self.whose, "tokens": f"{self.quota.tokens_per_day:,}"}


def spend(*, run: Run, output: Output) -> None:
    """Enter the output into the ledger, within the transaction that commits it."""
    Usage.objects.create(
        organization_id=run.organization_id,
        division_id=run.division_id,
        actor_id=run.actor_id,
        output=output,
        prompt_tokens=output.prompt_tokens,
        new_tokens=output.new_tokens,
        at=output.created_at,
    )


def day_of(now: datetime) -> datetime:
    """Return the beginning of the day that quotas count in."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def standings(organization_id: UUID, now: datetime) -> list[Standing]:
    """Return the organization's quotas with what was spent of each today (one query for each)."""
    quotas = Quota.objects.filter(organization=organization_id)
    quotas = quotas.select_related("organization", "division", "user")
    return [Standing(quota=quota, spent_tokens=_spent(quota, now)) for quota in quotas]


def _spent(quota: Quota, now: datetime) -> int:
    today = Usage.objects.filter(organization=quota.organization_id, at__gte=day_of(now))
    if quota.user_id is not None:
        today = today.filter(actor=quota.user_id)
    elif quota.division_id is not None:
        below = with_those_below(quota.organization, {quota.division_id})
        today = today.filter(division__in=below)
    total = today.aggregate(total=Sum(F("prompt_tokens") + F("new_tokens")))["total"]
    return int(total or 0)


def held_back(runs: Iterable[Run], now: datetime) -> dict[UUID, Standing]:
    """Return the used-up quota of every run that has to wait for one; runs of one organization."""
    runs = list(runs)
    if not runs:
        return {}
    used_up = [one for one in standings(runs[0].organization_id, now) if one.is_used_up]
    found = {}
    for run in runs if used_up else []:
        above = {one.pk for one in ancestry(run.division)} if run.division else set()
        for standing in used_up:
            if _falls_under(run, standing.quota, above):
                found[run.pk] = standing
                break
    return found


def _falls_under(run: Run, quota: Quota, divisions: set[UUID]) -> bool:
    if quota.user_id is not None:
        return run.actor_id == quota.user_id
    return quota.division_id is None or quota.division_id in divisions


@transaction.atomic
def set_quota(
    *,
    organization: Organization,
    by: User | None,
    tokens_per_day: int | None,
    division: Division | None = None,
    user: User | None = None,
) -> Quota | None:
    """Set the quota of a division, a person, or (with neither) of all; None takes it away.

    Without `by` the operator of the instance did it.

    Raises:
        QuotaOutOfRange: It is no positive number.
    """
    if tokens_per_day is not None and not 0 < tokens_per_day < 2**62:
        message = _("Wanted a number of tokens above 0, got %(tokens)s") % {
            "tokens": tokens_per_day
        }
        raise QuotaOutOfRange(message)
    place: dict[str, Any] = {"organization": organization, "division": division, "user": user}
    if tokens_per_day is None:
        Quota.objects.filter(**place).delete()
        quota = None
    else:
        values = {"tokens_per_day": tokens_per_day, "alerted_on": None}
        quota, _is_new = Quota.objects.update_or_create(**place, defaults=values)
    audit.record(
        verb="quota.changed",
        actor=by,
        organization=organization,
        target=division or user or organization,
        data={"tokens_per_day": tokens_per_day},
    )
    return quota


def alert(now: datetime) -> list[Standing]:
    """Tell the admins, once a day, of every quota that is used up; return those that were told now."""
    spenders = Usage.objects.filter(at__gte=day_of(now)).values("organization")
    watched = Quota.objects.filter(organization__in=spenders)
    watched = watched.filter(Q(alerted_on__isnull=True) | Q(alerted_on__lt=now.date()))
    told = []
    for organization in set(watched.values_list("organization", flat=True)):
        for standing in standings(organization, now):
            if standing.is_used_up and _is_first(standing.quota, now):
                _tell(standing)
                told.append(standing)
    return told


def _is_first(quota: Quota, now: datetime) -> bool:
    """Claim the day's alert; of several processes one gets True."""
    open_today = Q(alerted_on__isnull=True) | Q(alerted_on__lt=now.date())
    return bool(Quota.objects.filter(open_today, pk=quota.pk).update(alerted_on=now.date()))


def _tell(standing: Standing) -> None:
    quota = standing.quota
    audit.record(
        verb="quota.used_up",
        actor=None,
        organization=quota.organization,
        target=quota.division or quota.user or quota.organization,
        data={"tokens_per_day": quota.tokens_per_day, "spent": standing.spent_tokens},
    )
    admins = Membership.objects.filter(organization=quota.organization, role__in=ADMINISTRATORS)
    addresses = sorted(set(admins.values_list("user__email", flat=True)))
    subject = _("[InferenceCloud] Today's tokens of %(whose)s are used up") % {
        "whose": standing.whose
    }
    body = _(
        "%(spent)s of %(tokens)s tokens were spent at %(organization)s today by %(whose)s. Further"
        " updates wait until midnight UTC, or until you raise the limit:\n\n%(url)s\n"
    ) % {
        "spent": f"{standing.spent_tokens:,}",
        "tokens": f"{quota.tokens_per_day:,}",
        "organization": quota.organization,
        "whose": standing.whose,
        "url": settings.SITE_URL + reverse("console:quotas", args=[quota.organization.slug]),
    }
    send_mail(subject, body, None, addresses, fail_silently=True)


def tomorrow(now: datetime) -> datetime:
    """Return when the next day begins."""
    return day_of(now) + timedelta(days=1)
