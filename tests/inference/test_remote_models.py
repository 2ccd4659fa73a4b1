"""A run whose steps are written by another server, by this installation, and by both in turn."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.catalog import services as catalog
from apps.catalog.models import Deployment
from apps.inference import execution, host
from apps.inference.models import Checkpoint, Output, Run, RunStatus, StepStatus
from apps.organizations.models import Organization
from inferencecloud.engine.endpoint import Endpoint
from tests.engine.stub_server import Stub, refusing, saying, serving
from tests.inference.builders import spec, start
from tests.inference.conftest import Play


@pytest.fixture
def server(settings: Any) -> Iterator[Stub]:
    settings.REMOTE_MODELS_PRIVATE = True
    with serving(saying("Warm light for long evenings.")) as stub:
        yield stub
    host.close()


def _deploy(server: Stub, *, key: str = "") -> Deployment:
    endpoint = Endpoint(base_url=server.url, model="big", api_key=key)
    variant = catalog.register_remote(endpoint=endpoint)
    return catalog.deploy(variant=variant, alias="far", label="Far")


def _work(run: Run) -> Run:
    execution.run_stage(run_id=str(run.pk), pool="inference")
    run.refresh_from_db()
    return run


def test_a_chain_crosses_over_and_back_in_one_stage(
    organization: Organization, play: Play, server: Stub
) -> None:
    play()
    far = _deploy(server)
    steps = [spec("a", alias="far"), spec("b", "a"), spec("c", "b", alias="far")]
    run = _work(start(organization, steps))
    assert run.status == RunStatus.SUCCEEDED
    texts = {one.step_run.key: one for one in Output.objects.all()}
    assert texts["a"].text == "Warm light for long evenings."
    assert texts["a"].model_variant == far.variant
    assert (texts["a"].prompt_tokens, texts["a"].new_tokens) == (7, 5)
    assert texts["b"].text in server.asked[-1]["messages"][0]["content"]
    assert len(server.asked) == 2


def test_a_refusal_is_the_steps_reason(
    organization: Organization, play: Play, server: Stub
) -> None:
    play()
    server.answers[:] = [refusing(400, "context is 10 tokens")]
    _deploy(server)
    run = _work(start(organization, [spec("a", alias="far"), spec("b", "a")]))
    assert run.status == RunStatus.FAILED
    steps = {step.key: step for step in run.steps.all()}
    assert steps["a"].status == StepStatus.FAILED
    assert "context is 10 tokens" in str(steps["a"].error)


def test_a_server_that_is_not_there_fails_the_step_and_not_the_worker(
    organization: Organization, play: Play, settings: Any
) -> None:
    play()
    settings.REMOTE_MODELS_PRIVATE = False
    catalog.deploy(
        variant=catalog.register_remote(
            endpoint=Endpoint(base_url="http://127.0.0.1:9/v1", model="big")
        ),
        alias="far",
        label="Far",
    )
    run = _work(start(organization, [spec("a", alias="far"), spec("b")]))
    steps = {step.key: step for step in run.steps.all()}
    assert steps["a"].status == StepStatus.FAILED
    assert "public network" in str(steps["a"].error)
    assert steps["b"].status == StepStatus.SUCCEEDED
    host.close()


def test_a_step_goes_on_from_its_checkpoint(
    organization: Organization, play: Play, server: Stub
) -> None:
    play()
    _deploy(server)
    run = start(organization, [spec("a", alias="far")])
    step = run.steps.get()
    step.attempt = 1
    step.save(update_fields=["attempt"])
    Checkpoint.objects.create(
        step=step, variant=0, attempt=1, text="A lamp: ", token_ids=[-1, -1, -1]
    )
    _work(run)
    output = Output.objects.get()
    assert output.text == "A lamp: Warm light for long evenings."
    assert output.new_tokens == 3 + 5
    assert {"role": "assistant", "content": "A lamp: "} in server.asked[0]["messages"]
