"""Ask for a trial: a short text that a model writes for somebody who wants to see it."""

from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from apps.accounts.models import User
from apps.catalog.models import DEFAULT_POOL, Trial, Variant
from apps.core.errors import DomainError
from apps.inference import tasks
from apps.organizations import audit
from apps.organizations.models import Organization


class TrialUnderWay(DomainError):
    """The organization is trying a model already."""


class WritingSwitchedOff(DomainError):
    """Models are switched off in the organization."""


@transaction.atomic
def request_trial(*, variant: Variant, organization: Organization, prompt: str, by: User) -> Trial:
    """Have a model write a short text.

    Raises:
        TrialUnderWay: Another trial of the organization is not over.
        WritingSwitchedOff: Models are switched off there.
    """
    organization = Organization.objects.select_for_update().get(pk=organization.pk)
    if not organization.ai_enabled:
        raise WritingSwitchedOff(_("Writing with models is switched off for this organization."))
    busy = organization.trials.filter(status__in=[Trial.Status.WAITING, Trial.Status.RUNNING])
    if busy.exists():
        raise TrialUnderWay(_("A model is being tried already. Wait until its text is there."))
    trial = Trial.objects.create(
        organization=organization, requested_by=by, variant=variant, prompt=prompt
    )
    audit.record(verb="model.tried", actor=by, organization=organization, target=variant)
    transaction.on_commit(partial(_call_for, trial), robust=True)
    return trial


def _call_for(trial: Trial) -> None:
    """Call a worker that has the model loaded, if any has; the schedule ends what none was told of."""
    live = trial.variant.deployments.filter(retired_at__isnull=True).first()
    pool = DEFAULT_POOL if live is None else live.pool
    try:
        tasks.try_model.apply_async(kwargs={"trial_id": str(trial.pk)}, queue=pool)
    except (OperationalError, OSError):
        return
