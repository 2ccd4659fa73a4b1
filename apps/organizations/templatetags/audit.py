"""Words for the audit log."""

from django import template

from apps.organizations import audit_log
from apps.organizations.models import AuditEvent

register = template.Library()


@register.filter
def done(event: AuditEvent) -> str:
    """Return what was done, in words."""
    return audit_log.words_for(event.verb)


@register.filter
def details(event: AuditEvent) -> str:
    """Return the event's data in one line."""
    return audit_log.details(event)
