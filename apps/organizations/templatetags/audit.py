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


@register.filter
def who(event: AuditEvent) -> str:
    """Return the name of the actor, as it was then."""
    return event.actor_label.partition(" <")[0]


@register.filter
def address(event: AuditEvent) -> str:
    """Return the address of the actor, as it was then."""
    return event.actor_label.partition(" <")[2].rstrip(">")
