"""The audit log of an organization, and its export."""

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.organizations import audit, audit_log
from apps.organizations.forms import AuditFilterForm
from apps.organizations.models import AuditEventQuerySet
from apps.organizations.views.entrance import enter, person

NEED = "organizations.open_audit"
EXPORT_ROWS = 1000  # read at once


@login_required
@require_GET
def log(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the events that the person may read, the newest first."""
    organization = enter(request, slug, need=NEED)
    readable = audit_log.readable_events(person(request), organization)
    wanted = AuditFilterForm(request.GET).wanted
    context = {
        "organization": organization,
        "page": audit_log.page_of(
            audit_log.matching(readable, wanted), request.GET.get("before", "")
        ),
        "wanted": wanted,
        "choices": audit_log.choices_of(readable),
        "is_later_page": "before" in request.GET,
    }
    fragment = "#list" if getattr(request, "htmx", False) else ""
    return render(request, f"organizations/audit.html{fragment}", context)


@login_required
@require_POST
def export(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """Send the filtered events as CSV, row by row; the export is itself an event."""
    organization = enter(request, slug, need=NEED)
    wanted = AuditFilterForm(request.POST).wanted
    events = audit_log.matching(audit_log.readable_events(person(request), organization), wanted)
    audit.record(
        verb="audit.exported",
        actor=person(request),
        organization=organization,
        target=organization,
        data={name: str(value) for name, value in vars(wanted).items() if value},
    )
    name = f"{organization.slug}-audit-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        _csv(events),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _csv(events: AuditEventQuerySet) -> AsyncIterator[str]:
    yield audit_log.csv_lines([audit_log.CSV_HEAD])
    before = ""
    while True:
        page = await sync_to_async(audit_log.page_of)(events, before, size=EXPORT_ROWS)
        yield audit_log.csv_lines(audit_log.csv_row(event) for event in page.events)
        before = page.next_before
        if not before:
            return
