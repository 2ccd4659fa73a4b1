"""What a step becomes for the engine."""

import pytest

from apps.catalog import services as catalog
from apps.inference import prompts
from apps.inference.models import Run
from apps.inference.specs import Params
from apps.organizations.models import Organization
from inferencecloud import engine
from inferencecloud.engine.endpoint import Endpoint
from tests import factories
from tests.inference.builders import deployment, spec, start

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


PHRASES = Params(required=("snooze button",), banned=("premium", "must-have"))


def test_what_the_text_must_say_and_must_not_goes_to_the_engine(organization: Organization) -> None:
    deployment()
    sampling = asked(start(organization, [spec("a", params=PHRASES)])).sampling
    assert (sampling.required, sampling.banned) == (PHRASES.required, PHRASES.banned)


def test_how_long_the_text_may_be_goes_to_the_engine(organization: Organization) -> None:
    limit = engine.Limit(unit="characters", high=280)
    steps = [spec("a", params=Params(limit=limit))]
    assert asked(start(organization, steps, subject="1")).sampling.length == limit
    assert asked(start(organization, [spec("a")], subject="2")).sampling.length is None


def test_another_server_is_not_asked_for_what_nobody_can_promise(
    organization: Organization,
) -> None:
    endpoint = Endpoint(base_url="https://models.example/v1", model="big")
    variant = catalog.register_remote(endpoint=endpoint)
    catalog.deploy(variant=variant, alias="far", label="Far")
    sampling = asked(start(organization, [spec("a", alias="far", params=PHRASES)])).sampling
    assert (sampling.required, sampling.banned) == (PHRASES.required, ())
