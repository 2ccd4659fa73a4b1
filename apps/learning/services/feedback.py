"""Keep what a person says about an output, or shows by what they do with it."""

from collections.abc import Collection
from uuid import UUID

from django.db import models, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.inference.models import Output
from apps.learning.models import Feedback
from apps.organizations import audit

Kind = Feedback.Kind
THUMBS = [Kind.THUMBS_UP, Kind.THUMBS_DOWN]


class UnknownThumb(DomainError):
    """A verdict was to be kept that is neither good nor not good."""


class UnknownReason(DomainError):
    """A reason was given that is none of those offered."""


@transaction.atomic
def give_thumb(
    *, output: Output, by: User, kind: str, reasons: Collection[str] = (), about: models.Model
) -> Feedback:
    """Keep the person's verdict on the output in place of the one before.

    Args:
        output: what is judged.
        by: who judges; each person has one verdict on an output.
        kind: thumbs_up or thumbs_down.
        reasons: of Feedback.Reason; kept with thumbs_down only.
        about: where it stands, for the audit log.

    Raises:
        UnknownThumb: The kind is neither.
        UnknownReason: One of the reasons is none of those.
    """
    if kind not in THUMBS:
        raise UnknownThumb(_("Wanted “good” or “not good”, got “%(kind)s”") % {"kind": kind})
    if unknown := set(reasons) - set(Feedback.Reason.values):
        message = _("Wanted one of the reasons offered, got “%(reason)s”")
        raise UnknownReason(message % {"reason": min(unknown)})
    said = sorted(set(reasons)) if kind == Kind.THUMBS_DOWN else []
    known = _thumbs(output, by).select_for_update().first()
    if known is not None and (known.kind, known.reasons) == (kind, said):
        return known
    thumb, _is_new = Feedback.objects.update_or_create(
        output=output,
        user=by,
        kind__in=THUMBS,
        defaults={"kind": kind, "reasons": said},
        create_defaults={"kind": kind, "reasons": said, "organization": output.organization},
    )
    _leave_trace("feedback.given", output, by, about=about, verdict=kind, reasons=said)
    return thumb


@transaction.atomic
def withdraw_thumb(*, output: Output, by: User, about: models.Model) -> bool:
    """Forget the person's verdict on the output; say whether there was one."""
    gone, _by_model = _thumbs(output, by).delete()
    if gone:
        _leave_trace("feedback.withdrawn", output, by, about=about)
    return bool(gone)


@transaction.atomic
def note_adoption(*, output: Output, by: User, over: Collection[UUID]) -> None:
    """Keep that the person took this output, and which others they passed over for it.

    What is noted from here on has its audit event where it was done.
    """
    _note(output, by, Kind.ACCEPT)
    for other in Output.objects.filter(pk__in=over, organization=output.organization_id):
        _note(output, by, Kind.CHOOSE_OVER, over=other)


def note_dismissal(*, output: Output, by: User) -> None:
    """Keep that the person put the output away."""
    _note(output, by, Kind.DISMISS)


def note_regeneration(*, outputs: Collection[UUID], by: User) -> None:
    """Keep that the person asked for another text than these, although nothing was out of date."""
    for output in Output.objects.filter(pk__in=outputs):
        _note(output, by, Kind.REGENERATE)


def _note(output: Output, by: User, kind: str, *, over: Output | None = None) -> None:
    """Keep it once, however often it is done."""
    Feedback.objects.get_or_create(
        output=output,
        user=by,
        kind=kind,
        over=over,
        defaults={"organization_id": output.organization_id},
    )


def _thumbs(output: Output, by: User) -> models.QuerySet[Feedback]:
    return Feedback.objects.filter(output=output, user=by, kind__in=THUMBS)


def _leave_trace(
    verb: str, output: Output, by: User, *, about: models.Model, **more: object
) -> None:
    audit.record(
        verb=verb,
        actor=by,
        organization=output.organization,
        target=about,
        data={"output": str(output.pk), **more},
    )
