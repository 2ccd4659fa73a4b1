"""The pages of the console: health, runs, charts, and what is stored and at work."""

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.console import charts, estate, health, run_detail, run_list, usage_file
from apps.console.forms import RunFilterForm, SpanForm
from apps.console.sight import sight_of
from apps.console.views.entrance import OPEN, SET, USAGE, page_context
from apps.inference import heartbeat
from apps.organizations import audit
from apps.organizations.views.entrance import enter, person


@login_required
@require_GET
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how it all stands now; htmx asks for the strip alone, every few seconds."""
    organization = enter(request, slug, need=OPEN)
    now = timezone.now()
    figures = health.strip(organization, now)
    context = {"organization": organization, "figures": figures, "at": now}
    context["worst"] = health.worst(figures)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "console/overview.html#strip", context)
    recent = run_list.page_of(person(request), organization, run_list.Wanted())
    context |= page_context(request, organization, here="overview", title=_("Console"))
    context["rows"] = recent.rows[:8]
    return render(request, "console/overview.html", context)


@login_required
@require_GET
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    """List runs, the newest first."""
    organization = enter(request, slug, need=OPEN)
    form = RunFilterForm(request.GET, organization=organization)
    before = request.GET.get("before", "")
    context = page_context(request, organization, here="runs", title=_("Runs")) | {
        "form": form,
        "wanted": form.wanted,
        "page": run_list.page_of(person(request), organization, form.wanted, before=before),
        "is_later_page": bool(before),
    }
    return render(request, "console/runs.html", context)


@login_required
@require_GET
def run(request: HttpRequest, slug: str, run: uuid.UUID) -> HttpResponse:
    """Show one run step by step, with content only where the reader may open its notebook."""
    organization = enter(request, slug, need=OPEN)
    detail = run_detail.detail_of(person(request), organization, run)
    context = page_context(request, organization, here="runs", title=_("One run")) | {
        "detail": detail,
        "may_erase": request.user.has_perm(SET, organization),  # administrators, who set limits too
    }
    return render(request, "console/run.html", context)


@login_required
@require_GET
def usage(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the charts; who leads divisions sees those about what these have used."""
    organization = enter(request, slug, need=USAGE)
    sight, now = sight_of(person(request), organization), timezone.now()
    form = SpanForm(request.GET or {"days": 30})
    since = charts.beginning(form.chosen, now)
    shown = [
        charts.kept_by_week(sight, since),
        charts.tokens_by_day(sight, since, now),
        charts.usage_by_division(sight, since),
        charts.usage_by_person(sight, since),
    ]
    if sight.whole:
        shown += [charts.first_token_by_hour(sight, now), charts.errors_by_day(sight, since, now)]
    context = page_context(request, organization, here="usage", title=_("Usage")) | {
        "charts": shown,
        "form": form,
        "days": form.chosen,
        "led": charts.division_names(sight),
    }
    return render(request, "console/usage.html", context)


@login_required
@require_POST
def download(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the usage as CSV; that it was taken along is noted."""
    organization = enter(request, slug, need=USAGE)
    sight, now = sight_of(person(request), organization), timezone.now()
    days = SpanForm(request.POST).chosen
    audit.record(
        verb="usage.downloaded",
        actor=person(request),
        organization=organization,
        target=organization,
        data={"days": days},
    )
    content = "".join(usage_file.pieces(sight, charts.beginning(days, now)))
    name = f"{organization.slug}-usage-{now:%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)


@login_required
@require_GET
def machines(request: HttpRequest, slug: str) -> HttpResponse:
    """Show who works, what waits for them, and what is stored."""
    organization = enter(request, slug, need=OPEN)
    beats = heartbeat.beats()
    context = page_context(
        request, organization, here="machines", title=_("Workers and storage")
    ) | {
        "workers": estate.workers(timezone.now(), beats),
        "engines": estate.engines(beats),
        "pools": estate.pools(),
        "stored": estate.stored(organization),
        "database_bytes": estate.database_bytes(),
    }
    return render(request, "console/machines.html", context)
