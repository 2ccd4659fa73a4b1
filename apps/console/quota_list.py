"""What the page "Limits" shows: every quota, what was spent of it today, and who waits because of it."""

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from apps.core.errors import NotVisible
from apps.inference import quotas
from apps.inference.models import Quota, Run
from apps.organizations.models import Organization


@dataclass(frozen=True, kw_only=True)
class Row:
    """A quota as the page shows it."""

    standing: quotas.Standing
    waiting: int  # runs that stand in the line because of it

    @property
    def percent(self) -> int:
        """Return how much is spent, 100 at most: the length of the bar."""
        return min(
            100, round(100 * self.standing.spent_tokens / self.standing.quota.tokens_per_day)
        )

    @property
    def light(self) -> str:
        """Return the colour of the bar."""
        if self.standing.is_used_up:
            return "red"
        return "amber" if self.percent >= 80 else "green"

    @property
    def words(self) -> str:
        """Say how it stands."""
        if self.standing.is_used_up:
            return _("Used up until midnight UTC")
        return _("Nearly used up") if self.percent >= 80 else _("Within the limit")

    @property
    def kind(self) -> str:
        """Say whom it is for."""
        if self.standing.quota.user_id:
            return _("Person")
        return _("Division") if self.standing.quota.division_id else _("Everybody together")


def rows_of(organization: Organization, now: datetime) -> list[Row]:
    """Return the quotas, the widest first."""
    standing = quotas.standings(organization.pk, now)
    waiting = Run.objects.waiting_line(organization.pk).select_related("division__parent")
    held = quotas.held_back(list(waiting), now) if any(one.is_used_up for one in standing) else {}
    because = Counter(one.quota.pk for one in held.values())
    ordered = sorted(standing, key=lambda one: (_width(one.quota), one.whose.lower()))
    return [Row(standing=one, waiting=because[one.quota.pk]) for one in ordered]


def quota_in(organization: Organization, pk: uuid.UUID) -> Quota:
    """Return a quota of the organization; NotVisible when there is none."""
    quotas_ = Quota.objects.filter(organization=organization).select_related("division", "user")
    found = quotas_.filter(pk=pk).first()
    if found is None:
        raise NotVisible
    return found


def _width(quota: Quota) -> int:
    if quota.user_id:
        return 2
    return 1 if quota.division_id else 0
