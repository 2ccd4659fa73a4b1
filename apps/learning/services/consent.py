"""Say that nothing is learned from a notebook, or from what a person writes; and take that back.

It holds at once, for records made before as for those to come (`selectors.learnable` asks it each time). What
was packed goes.
"""

from uuid import UUID

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import User
from apps.learning.models import Consent, EditRecord, Feedback
from apps.learning.services import downloads
from apps.organizations import audit
from apps.organizations.models import Organization

Subject = Consent.Subject


@transaction.atomic
def switch_person(*, user: User, learn: bool) -> None:
    """Let what the person writes be learned from, or not: in every organization."""
    if _switch(Subject.USER, user.pk, None, by=user, learn=learn):
        if not learn:
            for organization in _written_in(user):
                downloads.withdraw(organization)
        verb = f"profile.learning_{_word(learn)}"
        audit.record(verb=verb, actor=user, organization=None, target=user)


@transaction.atomic
def switch_notebook(
    *, notebook_id: UUID, organization: Organization, by: User, learn: bool, about: models.Model
) -> None:
    """Let the notebook, and what is made of it, be learned from, or not.

    Args:
        notebook_id: which notebook.
        organization: whose it is.
        by: who decides.
        learn: whether it may be learned from.
        about: the notebook itself, for the audit log.
    """
    if _switch(Subject.NOTEBOOK, notebook_id, organization, by=by, learn=learn):
        if not learn:
            downloads.withdraw(organization)
        verb = f"notebook.learning_{_word(learn)}"
        audit.record(verb=verb, actor=by, organization=organization, target=about)


def _written_in(user: User) -> set[UUID]:
    """Return the organizations whose packages may hold words, or follow the opinion, of the person."""
    records = EditRecord.objects.filter(Q(editors__user=user) | Q(prompt_writers__user=user))
    said = Feedback.objects.filter(user=user)
    return {
        *records.values_list("organization", flat=True),
        *said.values_list("organization", flat=True),
    }


def _switch(
    kind: str, subject: UUID, organization: Organization | None, *, by: User, learn: bool
) -> bool:
    """Turn the switch; say whether it stood otherwise (two presses leave one trace)."""
    denied = {"subject_kind": kind, "subject_id": subject, "withdrawn_at": None}
    if learn:
        back = {"withdrawn_by": by, "withdrawn_at": timezone.now()}
        return bool(Consent.objects.filter(**denied).update(**back))
    _denial, is_new = Consent.objects.get_or_create(
        **denied, defaults={"organization": organization, "denied_by": by}
    )
    return is_new


def _word(learn: bool) -> str:  # noqa: FBT001  (a word for a truth)
    return "allowed" if learn else "denied"
