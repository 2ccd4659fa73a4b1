"""The state machine: whatever the order of events, one output per step, none lost, every run ends."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.inference import failures, outbox, reconciler, transitions
from apps.inference.conf import tempo
from apps.inference.failures import Failure
from apps.inference.models import (
    STEP_OVER,
    Checkpoint,
    OutboxRow,
    Output,
    Run,
    RunStatus,
    StepRun,
    StepStatus,
)
from apps.inference.specs import Params
from apps.organizations.models import Organization
from tests.inference.builders import chain, spec, start

PLANS: dict[str, Any] = {
    "one": lambda: [spec("a")],
    "chain": lambda: chain(3),
    "variants": lambda: [spec("a", params=Params(seed=1, variants=2)), spec("b", "a")],
    "diamond": lambda: [spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")],
    "two pools": lambda: [spec("a"), spec("b", "a", alias="other"), spec("c", "b"), spec("d")],
}
ACTIONS = {
    "claim": 4,
    "claim other": 2,
    "commit": 8,
    "fail": 1,
    "beat": 1,
    "silence": 1,
    "release": 1,
    "reconcile": 1,
}
MOVES = st.lists(
    st.tuples(
        st.sampled_from([name for name, weight in ACTIONS.items() for _ in range(weight)]),
        st.integers(0, 3),
    ),
    min_size=20,
    max_size=60,
)


@dataclass
class World:
    """A run, a clock, and workers that may be slow, silent or dead."""

    run: Run
    now: datetime
    held: list[StepRun] = field(default_factory=list)  # what any worker ever believed to hold
    commits: list[tuple[Any, int]] = field(
        default_factory=list
    )  # what was acknowledged to a worker
    owners: int = 0

    def move(self, action: str, which: int) -> None:
        self.now += timedelta(seconds=1)
        if action.startswith("claim"):
            self.claim("other" if action.endswith("other") else "inference")
        elif action == "silence":
            self.now += timedelta(seconds=tempo().lease_s + 1)
        elif action == "reconcile":
            reconciler.reconcile(self.now)
        elif action == "cancel":
            transitions.request_cancel(run_id=self.run.pk, now=self.now)
        elif self.held:
            self.work(action, self.held[-1 - which % len(self.held)])

    def claim(self, pool: str) -> None:
        self.owners += 1
        owner = f"worker-{self.owners}"
        self.held += transitions.claim(run_id=self.run.pk, pool=pool, owner=owner, now=self.now)

    def work(self, action: str, step: StepRun) -> None:
        if action == "beat":
            transitions.renew(owner=step.lease_owner, now=self.now)
        elif action == "release":
            transitions.leave(run_id=self.run.pk, owner=step.lease_owner, now=self.now)
        elif action == "fail":
            transitions.fail(step=step, failure=Failure(code=failures.ENGINE), now=self.now)
        elif action == "commit" and self.is_next(step):
            taken = set(step.outputs.values_list("variant", flat=True))
            variant = min(set(range(step.variants)) - taken, default=0)
            output = output_of(step, variant)
            if variant not in taken and transitions.commit(step=step, output=output, now=self.now):
                self.commits.append((step.pk, variant))

    def is_next(self, step: StepRun) -> bool:
        """A worker gets no text before that of the sources, as the engine guarantees."""
        sources = StepRun.objects.filter(run=self.run, key__in=step.depends_on)
        return all(source.outputs.exists() for source in sources)


def output_of(step: StepRun, variant: int = 0) -> Output:
    assert step.deployment is not None
    return Output(
        organization_id=step.run.organization_id,
        step_run=step,
        variant=variant,
        text=f"{step.key} by {step.lease_owner}",
        sha256="0" * 64,
        finish_reason="stop",
        model_version=step.deployment.variant.version,
        model_variant=step.deployment.variant,
        prompt=[],
        input_hash="0" * 64,
        params=step.params,
        seed=step.seed,
        prompt_tokens=3,
        new_tokens=5,
        waited_s=0,
        total_s=0,
    )


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=st.sampled_from(sorted(PLANS)), moves=MOVES, cancel_at=st.none() | st.integers(0, 40))
def test_any_order_of_events_gives_one_output_per_step_and_an_end(
    organization: Organization,
    plan: str,
    moves: list[tuple[str, int]],
    cancel_at: int | None,
) -> None:
    run = start(organization, PLANS[plan]())
    world = World(run=run, now=timezone.now())
    for number, (action, which) in enumerate(moves):
        if number == cancel_at:
            world.move("cancel", 0)
        world.move(action, which)
    finish(world)
    check(world)


def finish(world: World) -> None:
    """Let honest workers do the rest."""
    for _ in range(60):
        world.run.refresh_from_db()
        if world.run.is_over:
            return
        world.now += timedelta(seconds=tempo().lease_s + 1)
        reconciler.reconcile(world.now)
        for pool in ("inference", "other"):
            world.held.clear()
            world.claim(pool)
            for step in list(world.held):
                for _ in range(step.variants):
                    world.work("commit", step)
        transitions.settle(run_id=world.run.pk, now=world.now)
    pytest.fail("the run does not end")


def check(world: World) -> None:
    steps = list(world.run.steps.all())
    assert all(step.status in STEP_OVER for step in steps)
    for step in steps:
        variants = list(step.outputs.values_list("variant", flat=True))
        assert len(variants) == len(set(variants))
        if step.status == StepStatus.SUCCEEDED:
            assert sorted(variants) == list(range(step.variants))
        assert (step.status == StepStatus.FAILED) == (
            bool(step.error_code) and step.error_code != failures.SOURCE_FAILED
        )
    stored = Output.objects.filter(step_run__run=world.run).values_list("step_run", "variant")
    assert sorted(stored, key=str) == sorted(world.commits, key=str)
    assert len(set(world.commits)) == len(world.commits)
    ends = OutboxRow.objects.filter(kind="run.finished", payload__run=str(world.run.pk))
    assert ends.count() == 1
    if all(step.status == StepStatus.SUCCEEDED for step in steps):
        assert world.run.status in {RunStatus.SUCCEEDED, RunStatus.CANCELLED}


def claimed(run: Run, owner: str = "w1", now: datetime | None = None) -> list[StepRun]:
    return transitions.claim(
        run_id=run.pk, pool="inference", owner=owner, now=now or timezone.now()
    )


def test_two_workers_do_not_get_the_same_step(organization: Organization) -> None:
    run = start(organization, chain(3))
    assert [step.key for step in claimed(run)] == ["c0", "c1", "c2"]
    assert claimed(run, "w2") == []


def test_a_worker_that_was_given_up_commits_nothing(organization: Organization) -> None:
    run = start(organization, [spec("a")])
    (stale,) = claimed(run)
    later = timezone.now() + timedelta(seconds=tempo().lease_s + 1)
    assert transitions.expire(run_id=run.pk, now=later) == 1
    (fresh,) = claimed(run, "w2", later)
    assert fresh.attempt == stale.attempt + 1
    assert transitions.commit(step=stale, output=output_of(stale), now=later) is None
    assert not transitions.begin_streaming(step=stale, now=later)
    assert not transitions.fail(step=stale, failure=Failure(code=failures.ENGINE), now=later)
    assert transitions.commit(step=fresh, output=output_of(fresh), now=later)
    assert Output.objects.get(step_run=fresh).text == "a by w2"


def test_a_worker_that_was_given_up_overwrites_no_checkpoint(organization: Organization) -> None:
    run = start(organization, [spec("a")])
    (stale,) = claimed(run)
    later = timezone.now() + timedelta(seconds=tempo().lease_s + 1)
    transitions.expire(run_id=run.pk, now=later)
    (fresh,) = claimed(run, "w2", later)
    for step, text in ((fresh, "new words"), (stale, "old")):
        row = Checkpoint(step=step, variant=0, attempt=step.attempt, text=text)
        transitions.save_checkpoints(owner=step.lease_owner, rows=[row])
    assert Checkpoint.objects.get(step=fresh).text == "new words"


def test_a_heartbeat_keeps_the_lease(organization: Organization) -> None:
    run = start(organization, [spec("a")])
    (step,) = claimed(run)
    later = timezone.now() + timedelta(seconds=tempo().lease_s - 1)
    assert transitions.renew(owner="w1", now=later) == {step.pk}
    assert transitions.expire(run_id=run.pk, now=later + timedelta(seconds=2)) == 0


def test_after_three_deaths_the_step_fails_in_words(organization: Organization) -> None:
    run = start(organization, chain(2))
    now = timezone.now()
    for number in range(tempo().attempts):
        assert len(claimed(run, f"w{number}", now)) == 2
        now += timedelta(seconds=tempo().lease_s + 1)
        transitions.expire(run_id=run.pk, now=now)
    first, second = run.steps.all()
    assert first.status == StepStatus.FAILED
    assert first.error == "The worker stopped 3 times while writing"
    assert second.status == StepStatus.CANCELLED
    assert second.error == "Not written, because “c0” before it was not"
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED


def test_deaths_count_only_against_steps_that_had_begun(organization: Organization) -> None:
    run = start(organization, chain(2))
    claimed(run)
    transitions.expire(run_id=run.pk, now=timezone.now() + timedelta(seconds=tempo().lease_s + 1))
    assert list(run.steps.values_list("deaths", flat=True)) == [1, 0]


def test_a_worker_that_ends_in_peace_costs_no_try(organization: Organization) -> None:
    run = start(organization, [spec("a")])
    claimed(run)
    assert not transitions.leave(run_id=run.pk, owner="w1", now=timezone.now())
    step = run.steps.get()
    assert (step.status, step.deaths, step.lease_owner) == (StepStatus.QUEUED, 0, "")


def test_a_stopped_run_takes_no_more_output(organization: Organization) -> None:
    run = start(organization, chain(2))
    first, second = claimed(run)
    now = timezone.now()
    assert transitions.commit(step=first, output=output_of(first), now=now)
    assert transitions.request_cancel(run_id=run.pk, now=now)
    assert transitions.commit(step=second, output=output_of(second), now=now) is None
    assert transitions.leave(run_id=run.pk, owner="w1", now=now)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert list(run.steps.values_list("status", flat=True)) == ["succeeded", "cancelled"]


def test_a_run_is_stopped_once(organization: Organization) -> None:
    run = start(organization, [spec("a")])
    now = timezone.now()
    assert transitions.request_cancel(run_id=run.pk, now=now)
    assert not transitions.request_cancel(run_id=run.pk, now=now)


def test_a_stop_waits_for_no_worker(organization: Organization) -> None:
    run = start(organization, chain(2))
    first, second = claimed(run)
    now = timezone.now()
    transitions.begin_streaming(step=first, now=now)
    transitions.request_cancel(run_id=run.pk, now=now)
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert set(run.steps.values_list("status", "lease_owner")) == {("cancelled", "")}
    assert transitions.renew(owner="w1", now=now) == set()
    assert not transitions.begin_streaming(step=second, now=now)


@pytest.mark.parametrize("put_back_s", [200, 3600])
def test_a_clock_that_is_put_back_makes_no_lease_longer(
    organization: Organization, put_back_s: int
) -> None:
    run = start(organization, [spec("a")])
    claimed(run)
    now = timezone.now() - timedelta(seconds=put_back_s)
    assert reconciler.reconcile(now).expired_steps == 1
    assert run.steps.get().status == StepStatus.QUEUED


def test_a_clock_that_is_put_forward_costs_double_work_and_nothing_else(
    organization: Organization,
) -> None:
    run = start(organization, [spec("a")])
    (mine,) = claimed(run, "alive")
    later = timezone.now() + timedelta(hours=1)
    reconciler.reconcile(later)
    (theirs,) = claimed(run, "other", later)
    assert transitions.commit(step=mine, output=output_of(mine), now=later) is None
    assert transitions.renew(owner="alive", now=later) == set()
    assert transitions.commit(step=theirs, output=output_of(theirs), now=later)
    assert Output.objects.filter(step_run=theirs).count() == 1


def test_of_two_workers_with_one_name_only_the_later_claim_counts(
    organization: Organization,
) -> None:
    run = start(organization, [spec("a")])
    (earlier,) = claimed(run, "same")
    transitions.leave(run_id=run.pk, owner="same", now=timezone.now())
    (later,) = claimed(run, "same")
    assert transitions.commit(step=earlier, output=output_of(earlier), now=timezone.now()) is None
    assert transitions.commit(step=later, output=output_of(later), now=timezone.now())


def test_a_run_that_is_erased_in_the_middle_leaves_its_worker_with_nothing(
    organization: Organization,
) -> None:
    run = start(organization, [spec("a")])
    (step,) = claimed(run)
    now = timezone.now()
    Run.objects.filter(pk=run.pk).delete()
    row = Checkpoint(step=step, variant=0, attempt=1, text="words")
    transitions.save_checkpoints(owner="w1", rows=[row])
    assert not transitions.begin_streaming(step=step, now=now)
    assert transitions.commit(step=step, output=output_of(step), now=now) is None
    assert not transitions.fail(step=step, failure=Failure(code=failures.ENGINE), now=now)
    assert transitions.leave(run_id=run.pk, owner="w1", now=now)
    assert claimed(run) == []


def test_a_failure_leaves_other_branches_alone(organization: Organization) -> None:
    run = start(organization, [spec("a"), spec("b"), spec("c", "a")])
    steps = {step.key: step for step in claimed(run)}
    transitions.leave(run_id=run.pk, owner="w1", now=timezone.now())
    steps = {step.key: step for step in claimed(run, "w2")}
    now = timezone.now()
    transitions.fail(step=steps["a"], failure=Failure(code=failures.ENGINE), now=now)
    assert transitions.commit(step=steps["b"], output=output_of(steps["b"]), now=now)
    assert run.steps.get(key="b").status == StepStatus.SUCCEEDED


def test_every_committed_output_is_in_the_outbox_with_its_context(
    organization: Organization,
) -> None:
    outbox.register("tests", "tests.inference.consumers.nobody")
    run = start(organization, [spec("a", context={"cell": "x"})])
    (step,) = claimed(run)
    output = output_of(step)
    transitions.commit(step=step, output=output, now=timezone.now())
    row = OutboxRow.objects.get(kind="output.committed")
    assert row.subject == run.subject
    assert row.payload["output"] == str(output.pk)
    assert row.payload["context"] == {"cell": "x"}
    assert row.deliveries.get().consumer == "tests"
