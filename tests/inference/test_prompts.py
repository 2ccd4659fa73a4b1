"""What a step becomes for the engine."""

import pytest

from apps.inference import prompts
from apps.inference.models import Run
from apps.organizations.models import Organization
from inferencecloud import engine
from tests import factories
from tests.inference.builders import spec, start

pytestmark = pytest.mark.django_db


def asked(run: Run) -> engine.Request:
    step = run.steps.get()
    around = prompts.Around(steps={step.key: step}, outputs={step.key: {}})
    return prompts.request(prompts.Writing(step=step, variant=0), "model", around)


def test_whom_a_person_waits_for_goes_before_what_nobody_waits_for(
    organization: Organization,
) -> None:
    person = asked(start(organization, [spec("a")], actor=factories.person(), subject="1"))
    nightly = asked(start(organization, [spec("a")], subject="2"))

    assert person.priority < nightly.priority
    assert person.owner == nightly.owner == str(organization.pk)
