"""The same with a model that really computes."""

from pathlib import Path
from typing import Any

import pytest

from apps.catalog.models import Deployment, Variant
from apps.inference import execution, host, stops
from apps.inference.models import Output, Run, RunStatus
from apps.inference.specs import Params
from apps.organizations.models import Organization
from inferencecloud.engine.batching import BatchingEngine
from tests.engine.conftest import tiny_artifact  # noqa: F401  (a fixture)
from tests.inference.builders import chain, spec, start
from tests.inference.conftest import Play


@pytest.fixture
def real(
    organization: Organization,
    tiny_artifact: Path,  # noqa: F811
    play: Play,
    settings: Any,
) -> Organization:
    """Return the organization with a minute model behind its writer."""
    settings.DATA_DIR = tiny_artifact.parent
    settings.ENGINE_THREADS = 1
    settings.INFERENCE_ENGINE = "apps.inference.host.local_engine"
    writer = Deployment.objects.get(alias="writer").variant_id
    Variant.objects.filter(pk=writer).update(path=tiny_artifact.name, root="data")
    return organization


def work(run: Run) -> Run:
    execution.run_stage(run_id=str(run.pk), pool="inference")
    run.refresh_from_db()
    return run


def texts(run: Run) -> list[str]:
    outputs = Output.objects.filter(step_run__run=run).order_by("step_run__position")
    return list(outputs.values_list("text", flat=True))


@pytest.mark.parametrize(("bits", "kv_bits"), [(0, None), (8, 8)])
def test_the_bits_of_keys_and_values_come_from_the_settings(
    settings: Any, bits: int, kv_bits: int | None
) -> None:
    settings.ENGINE_KV_BITS = bits
    engine = host.local_engine()
    try:
        assert isinstance(engine, BatchingEngine)
        assert engine.config.kv_bits == kv_bits
    finally:
        engine.close()


def test_a_chain_is_written_and_its_speed_is_known_afterwards(real: Organization) -> None:
    run = work(start(real, chain(3, params=Params(seed=3, max_new_tokens=12))))
    assert run.status == RunStatus.SUCCEEDED
    assert all(texts(run))
    variant = Deployment.objects.get(alias="writer").variant
    assert (variant.context_tokens, variant.decode_tokens_per_s) > (255, 0)
    output = Output.objects.filter(step_run__run=run).last()
    assert output is not None
    assert output.total_s >= (output.first_token_s or 0) > 0


def test_a_step_goes_on_from_its_checkpoint_to_the_very_same_text(
    real: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INFERENCE_TEMPO = {"checkpoint_s": 0.0, "flush_s": 0.0}
    steps = chain(2, params=Params(seed=3, max_new_tokens=40))
    undisturbed = texts(work(start(real, steps)))
    looked = []

    def look(self: execution.Watch, _open: object) -> None:
        looked.append(1)
        if len(looked) == 8:
            raise execution.StageLost

    with monkeypatch.context() as patched:
        patched.setattr(execution.Watch, "look", look)
        run = work(start(real, steps, subject="2"))
    assert run.status == RunStatus.RUNNING
    assert work(run).status == RunStatus.SUCCEEDED
    assert texts(run) == undisturbed
    assert not stops.draining.is_set()


def test_a_prompt_that_is_too_long_is_told_with_what_fits(real: Organization) -> None:
    run = work(start(real, [spec("a", text="lamp " * 400), spec("b")]))
    failed = run.steps.get(key="a")
    assert failed.error_code == "prompt_too_long"
    assert "this model reads at most 255" in failed.error
    assert run.steps.get(key="b").status == "succeeded"


def test_a_model_that_is_not_on_this_machine_is_told(real: Organization) -> None:
    Variant.objects.update(path="gone")
    run = work(start(real, [spec("a")]))
    assert run.steps.get().error.startswith("No model can write here now: Wanted a model at ")
