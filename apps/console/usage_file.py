"""The ledger as a file: who used how many tokens, day by day."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from apps.console.sight import Sight
from apps.inference.models import Usage
from apps.organizations.audit_log import csv_lines, inert

HEAD = ["day_utc", "division", "person", "texts", "tokens_read", "tokens_written"]
AT_ONCE = 500  # rows per piece


def pieces(sight: Sight, since: datetime) -> Iterator[str]:
    """Return the lines of the file, some at a time."""
    sums = (
        Usage.objects.filter(sight.covered(), at__gte=since)
        .annotate(day=TruncDate("at"))
        .values("day", "division__name", "actor", "actor__name")
        .annotate(texts=Count("pk"), read=Sum("prompt_tokens"), written=Sum("new_tokens"))
        .order_by("day", "division__name", "actor__name", "actor")
    )
    rows: list[list[str]] = [HEAD]
    for one in sums.iterator(chunk_size=AT_ONCE):
        division, person = one["division__name"] or "", one["actor__name"]
        rows.append(
            [
                f"{one['day']:%Y-%m-%d}",
                inert(division),
                inert(person or _("Somebody who has left")),
                str(one["texts"]),
                str(one["read"]),
                str(one["written"]),
            ]
        )
        if len(rows) >= AT_ONCE:
            yield csv_lines(rows)
            rows = []
    if rows:
        yield csv_lines(rows)
