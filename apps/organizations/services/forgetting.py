"""Take texts and people out of the audit log: what was done, when and to what (its id) stays.

Rows of the log are only ever added, and this is the one exception; it leaves an event of its own.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q

from apps.accounts.models import User
from apps.organizations.models import AuditEvent

ERASED = "(erased)"
# Where data holds what somebody wrote, by the verb; elsewhere it holds ids, numbers and names of places.
TEXTS = {"notebook.renamed": ("before", "after"), "cell.released": ("cell",)}
CHUNK = 500


def forget_target(target_id: object, *, label: str = ERASED) -> None:
    """Take the names that the target had out of the log; `label` is what it may be called still."""
    events = AuditEvent.objects.filter(target_id=str(target_id))
    events.update(target_label=label)
    for event in events.filter(verb__in=TEXTS).iterator(CHUNK):
        texts = {key: ERASED for key in TEXTS[event.verb] if event.data.get(key) not in ("", label)}
        AuditEvent.objects.filter(pk=event.pk).update(data={**event.data, **texts})


def forget_person(user: User) -> int:
    """Take name, address and devices of the person out of the log; return how many events that was."""
    names = {str(user), f"{user} <{user.email}>"}
    about = Q(actor=user) | Q(target_id=str(user.pk))
    changed = AuditEvent.objects.filter(about).count()
    AuditEvent.objects.filter(actor=user).update(actor_label=ERASED, ip=None, user_agent="")
    AuditEvent.objects.filter(target_id=str(user.pk)).update(target_label=ERASED)
    labelled = AuditEvent.objects.filter(
        Q(target_label__icontains=user.email) | Q(target_label__startswith=f"{user}: ")
    )
    changed += labelled.update(target_label=ERASED)
    for event in AuditEvent.objects.exclude(data={}).iterator(CHUNK):
        data = _without(event.data, names, user.email)
        if data != event.data:
            AuditEvent.objects.filter(pk=event.pk).update(data=data)
            changed += 1
    return changed


def _without(value: Any, names: Iterable[str], email: str) -> Any:  # JSON
    if isinstance(value, str):
        return ERASED if value in names or email in value.lower() else value
    if isinstance(value, list):
        return [_without(one, names, email) for one in value]
    if isinstance(value, dict):
        return {key: _without(one, names, email) for key, one in value.items()}
    return value
