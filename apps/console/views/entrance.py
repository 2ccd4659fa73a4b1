"""What all pages of the console share: who is let in, where one can go from there."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.organizations.models import Organization

OPEN = "organizations.open_console"
USAGE = "organizations.open_usage"
SET = "organizations.set_quotas"


def page_context(
    request: HttpRequest, organization: Organization, *, here: str, title: str
) -> dict[str, Any]:
    """Return the frame of a page: breadcrumbs, and the tabs that the person may open."""
    tabs = [("usage", _("Usage"))]
    if request.user.has_perm(OPEN, organization):
        tabs = [
            ("overview", _("Now")),
            ("runs", _("Runs")),
            *tabs,
            ("quotas", _("Limits")),
            ("machines", _("Workers and storage")),
        ]
    return {
        "organization": organization,
        "title": title,
        "tabs": [
            {
                "url": reverse(f"console:{name}", args=[organization.slug]),
                "label": label,
                "is_here": name == here,
            }
            for name, label in tabs
        ],
    }
