"""What a worker does with a stage: write, tell, checkpoint, stop, fail in words, go on after a death."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from apps.catalog.models import Deployment
from apps.inference import execution, host, stops
from apps.inference.models import Checkpoint, Output, RunStatus, StepStatus
from apps.inference.specs import Params, PromptMessage, Source, StepOutput, StepSpec, Text
from apps.organizations.models import Organization
from tests.inference import engines
from tests.inference.builders import chain, deployment, spec, start
from tests.inference.carrying_out import texts, work
from tests.inference.conftest import Play

Sent = Callable[[], list[dict[str, Any]]]


def test_a_chain_is_one_stage_and_each_step_reads_the_one_before(
    organization: Organization, play: Play
) -> None:
    play()
    run = work(start(organization, chain(3)))
    assert run.status == RunStatus.SUCCEEDED
    by_key = {step.key: step for step in run.steps.all()}
    assert {step.attempt for step in by_key.values()} == {1}
    second = by_key["c1"].outputs.get()
    first = by_key["c0"].outputs.get()
    assert second.inputs == [{"ref": "c0", "output": str(first.pk)}]
    read = second.prompt[0]["segments"][1]
    assert (read["text"], read["output"]) == (first.text, str(first.pk))
    assert by_key["c1"].input_hash == second.input_hash != ""
    assert second.new_tokens == by_key["c1"].new_tokens == 40


def test_variants_are_written_from_seeds_of_their_own(
    organization: Organization, play: Play
) -> None:
    play()
    run = work(start(organization, [spec("a", params=Params(seed=7, variants=3)), spec("b", "a")]))
    found = texts(run)
    assert len({found["a", n] for n in range(3)}) == 3
    reader = Output.objects.get(step_run__key="b")
    first = Output.objects.get(step_run__key="a", variant=0)
    assert reader.inputs == [{"ref": "a", "output": str(first.pk)}]


def test_a_text_ends_with_the_sentence_nearest_to_its_length(
    organization: Organization, play: Play
) -> None:
    """The script's sentences have eight words; half as much again is the most that it may write."""
    play(words=200)
    lengths = {"short": 19, "medium": 50, "within": 4}
    steps = [
        spec(name, params=Params(seed=7, max_new_tokens=most)) for name, most in lengths.items()
    ]
    run = work(start(organization, steps))
    found = {name: text for (name, _), text in texts(run).items()}
    assert {name: len(text.split()) for name, text in found.items()} == {
        "short": 16,
        "medium": 48,
        "within": 6,
    }
    assert found["short"].endswith(".")
    reasons = dict(Output.objects.values_list("step_run__key", "finish_reason"))
    assert reasons == {"short": "stop", "medium": "stop", "within": "length"}


def test_pools_take_turns_until_the_run_is_done(organization: Organization, play: Play) -> None:
    play()
    run = start(organization, [spec("a"), spec("b", "a", alias="other"), spec("c", "b")])
    assert work(run).status == RunStatus.RUNNING
    assert work(run, "other").status == RunStatus.RUNNING
    assert work(run).status == RunStatus.SUCCEEDED


def test_a_stage_run_twice_writes_once(organization: Organization, play: Play) -> None:
    play()
    run = work(work(start(organization, chain(2))))
    assert Output.objects.filter(step_run__run=run).count() == 2


def test_deltas_put_together_are_the_text_without_gap_or_overlap(
    organization: Organization, play: Play, sent: Sent
) -> None:
    play(delay_s=0.004)
    run = work(start(organization, [spec("a", params=Params(seed=7, variants=2))]))
    written: dict[int, str] = {0: "", 1: ""}
    for event in sent():
        if event["type"] == "inference.delta":
            assert event["seq"] == len(written[event["variant"]])
            assert event["topic"] == "thing.1"
            written[event["variant"]] += event["text"]
    assert {("a", variant): text for variant, text in written.items()} == texts(run)


def test_words_of_one_moment_travel_in_one_event(
    organization: Organization, play: Play, sent: Sent
) -> None:
    play(words=60)
    work(start(organization, [spec("a")]))
    deltas = [event for event in sent() if event["type"] == "inference.delta"]
    assert len(deltas) < 6


def test_everyone_hears_how_steps_and_runs_stand(
    organization: Organization,
    play: Play,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    play(delay_s=0.005)
    with django_capture_on_commit_callbacks(execute=True):
        work(start(organization, [spec("a")]))
    heard = [
        (event["type"], event["status"])
        for event in sent()
        if event["type"] in {"inference.step", "inference.run"}
    ]
    assert heard == [
        ("inference.run", "running"),
        ("inference.step", "running"),
        ("inference.step", "streaming"),
        ("inference.step", "succeeded"),
        ("inference.run", "succeeded"),
    ]


@pytest.mark.parametrize("position", [1, 7, 39])
@pytest.mark.parametrize("step", [0, 1])
def test_what_was_interrupted_goes_on_to_the_text_of_an_undisturbed_run(
    organization: Organization, play: Play, position: int, step: int
) -> None:
    params = Params(seed=11, max_new_tokens=40, max_chars=230)
    play()
    undisturbed = texts(work(start(organization, chain(3, params=params))))
    play(before_token=Interruption(position, step))
    run = start(organization, chain(3, params=params), subject="2")
    try:
        work(run)
    finally:
        stops.draining.clear()
    assert run.status == RunStatus.RUNNING
    assert len(texts(run)) == step
    play()
    assert work(run).status == RunStatus.SUCCEEDED
    assert texts(run) == undisturbed


class Interruption:
    """Ask the worker to end once the engine has come to a word of a step."""

    def __init__(self, position: int, step: int) -> None:
        self.position, self.step = position, step
        self.seen: list[str] = []

    def __call__(self, request_id: str, position: int) -> None:
        if request_id not in self.seen:
            self.seen.append(request_id)
        if self.seen.index(request_id) == self.step and position == self.position:
            threading.Event().wait(0.1)  # what is written so far gets out
            stops.draining.set()
            threading.Event().wait(0.2)  # the worker looks up meanwhile


def test_a_worker_that_ends_in_peace_gives_its_steps_back(
    organization: Organization, play: Play
) -> None:
    play(before_token=Interruption(0, 0))
    try:
        run = work(start(organization, chain(2)))
    finally:
        stops.draining.clear()
    assert list(run.steps.values_list("status", "deaths")) == [("queued", 0), ("queued", 0)]


def test_a_worker_that_is_to_end_begins_nothing(organization: Organization, play: Play) -> None:
    play()
    stops.draining.set()
    try:
        run = work(start(organization, chain(2)))
    finally:
        stops.draining.clear()
    assert set(run.steps.values_list("attempt", flat=True)) == {0}


def test_a_failing_model_is_told_in_words_and_ends_what_reads_it(
    organization: Organization, play: Play
) -> None:
    play(fail_when="[fail]")
    steps = [spec("a", text="[fail] "), spec("b", "a"), spec("c")]
    run = work(start(organization, steps))
    assert run.status == RunStatus.FAILED
    by_key = {step.key: step for step in run.steps.all()}
    assert by_key["a"].status == StepStatus.FAILED
    assert by_key["a"].error.startswith("The model could not write: ")
    assert by_key["b"].status == StepStatus.CANCELLED
    assert by_key["b"].error == "Not written, because “a” before it was not"
    assert by_key["c"].status == StepStatus.SUCCEEDED


def test_a_failed_step_keeps_what_was_written_for_the_reader(
    organization: Organization, play: Play, settings: Any
) -> None:
    settings.INFERENCE_TEMPO = {"checkpoint_s": 0.0}
    play(fail_when="[fail]", delay_s=0.002)
    work(start(organization, [spec("a", text="[fail] ")]))
    assert Checkpoint.objects.get().text != ""


def test_a_model_that_cannot_be_loaded_fails_only_its_own_steps(
    organization: Organization, play: Play, settings: Any
) -> None:
    settings.INFERENCE_ENGINE = "tests.inference.engines.picky"
    play()
    deployment("broken")
    steps = [spec("a"), spec("b", alias="broken"), spec("c", "b"), spec("d", "a", "c"), spec("e")]
    engines.refused = Deployment.objects.get(alias="broken").variant.folder.name
    run = work(start(organization, steps))
    by_key = {step.key: step for step in run.steps.all()}
    assert {key: step.status for key, step in by_key.items()} == {
        "a": "succeeded",
        "b": "failed",
        "c": "cancelled",
        "d": "cancelled",
        "e": "succeeded",
    }
    assert by_key["b"].error == "No model can write here now: the disk is gone"


def test_an_alias_that_nothing_serves_fails_in_words_and_the_rest_is_written(
    organization: Organization, play: Play
) -> None:
    play()
    run = work(start(organization, [spec("a", alias="nobody"), spec("b", "a"), spec("c")]))
    first, second, third = run.steps.all().order_by("key")
    assert first.error == "No model can write here now: nothing is deployed as “nobody”"
    assert (second.status, third.status) == (StepStatus.CANCELLED, StepStatus.SUCCEEDED)


def test_a_request_that_the_engine_refuses_fails_alone(
    organization: Organization, play: Play, settings: Any
) -> None:
    settings.INFERENCE_ENGINE = "tests.inference.engines.picky"
    play()
    steps = [spec("a", text="Write."), spec("b", text="[refused]"), spec("c", "a", "b")]
    run = start(organization, steps)
    for _ in range(3):
        work(run)
    by_key = {step.key: step for step in run.steps.all()}
    assert by_key["a"].status == StepStatus.SUCCEEDED
    assert by_key["b"].error == "The instruction with its sources is too long: 9 of 8 tokens"
    assert by_key["c"].status == StepStatus.CANCELLED


def test_the_speed_of_a_model_is_kept_when_it_was_measured(
    organization: Organization, play: Play
) -> None:
    play()
    work(start(organization, [spec("a")]))
    variant = Deployment.objects.get(alias="writer").variant
    assert variant.decode_tokens_per_s == 1e6
    assert variant.measured_at is not None


def test_models_are_loaded_before_anybody_waits_for_them(
    organization: Organization, play: Play, settings: Any
) -> None:
    settings.INFERENCE_ENGINE = "tests.inference.engines.picky"
    play()
    engines.refused = deployment("broken").variant.folder.name
    execution.warm(["inference"])
    loaded = {
        one.alias: host.loaded(one) is not None
        for one in Deployment.objects.select_related("variant")
    }
    assert loaded == {"writer": True, "broken": False, "other": False}


def test_filters_change_what_a_reader_gets_and_not_the_source(
    organization: Organization, play: Play
) -> None:
    play()
    reads = (StepOutput(step="a", apply=("upper",)), Source(ref="x", text="low", apply=("upper",)))
    message = PromptMessage(role="user", segments=(Text(text="From: "), *reads))
    shouting = StepSpec(key="b", messages=(message,), params=Params(seed=1))
    run = work(start(organization, [spec("a"), shouting]))
    written = texts(run)["a", 0]
    same = PromptMessage(role="user", segments=(Text(text=f"From: {written.upper()}LOW"),))
    plain = StepSpec(key="b", messages=(same,), params=Params(seed=1))
    again = work(start(organization, [plain], subject="2"))
    assert texts(run)["b", 0] == texts(again)["b", 0]
