"""Starting, stopping and repeating runs; the limits and the line before them."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.catalog.models import Deployment
from apps.inference import execution, graph, selectors, services
from apps.inference.models import OutboxRow, Output, Run, RunStatus, StepStatus
from apps.inference.specs import Params, Subject
from apps.organizations.models import AuditEvent, Organization
from tests.factories import Company, member
from tests.inference.builders import chain, spec, start
from tests.inference.conftest import Play

Sent = Callable[[], list[dict[str, Any]]]


def work(run: Run) -> Run:
    execution.run_stage(run_id=str(run.pk), pool="inference")
    run.refresh_from_db()
    return run


def test_the_same_key_twice_is_the_same_run(organization: Organization) -> None:
    first = start(organization, chain(2), key="click")
    second = start(organization, chain(3), key="click")
    assert first == second
    assert first.steps.count() == 2
    assert AuditEvent.objects.filter(verb="run.started").count() == 1


def test_the_same_key_of_another_subject_is_another_run(organization: Organization) -> None:
    assert start(organization, chain(1), key="k") != start(
        organization, chain(1), key="k", subject="2"
    )


def test_steps_are_kept_sources_first_with_what_serves_them(organization: Organization) -> None:
    run = start(organization, [spec("b", "a"), spec("a", label="Tag line")])
    first, second = run.steps.all()
    writer = Deployment.objects.get(alias="writer")
    assert (first.key, first.label, second.key) == ("a", "Tag line", "b")
    assert (first.deployment, first.model_version) == (writer, writer.variant.version)
    assert first.input_hash
    assert not second.input_hash  # its source is not written yet


def test_a_run_without_steps_is_refused(organization: Organization) -> None:
    with pytest.raises(services.NothingToRun):
        start(organization, [])


def test_steps_in_a_circle_are_refused(organization: Organization) -> None:
    with pytest.raises(graph.StepsDoNotFit):
        start(organization, [spec("a", "b"), spec("b", "a")])
    assert not Run.objects.exists()


def test_a_run_of_which_nothing_can_be_written_is_over_at_once(
    organization: Organization,
) -> None:
    run = start(organization, [spec("a", alias="nobody"), spec("b", "a")])
    assert run.status == RunStatus.FAILED
    assert run.finished_at


def test_each_run_draws_seeds_of_its_own_unless_one_is_asked_for(
    organization: Organization,
) -> None:
    free = Params(seed=None)
    seeds = {start(organization, [spec("a", params=free)]).steps.get().seed for _ in range(4)}
    assert len(seeds) == 4
    assert start(organization, [spec("a", params=Params(seed=5))]).steps.get().seed == 5


def test_starting_and_stopping_leave_a_trace(company: Company, organization: Organization) -> None:
    person = member(company.launches)
    run = start(organization, chain(2), actor=person)
    services.cancel_run(run=run, by=person)
    started, stopped = AuditEvent.objects.filter(verb__startswith="run.").order_by("at", "id")
    assert (started.verb, started.actor, started.data["steps"]) == ("run.started", person, 2)
    assert (stopped.verb, stopped.actor, stopped.target_id) == ("run.stopped", person, str(run.pk))


def test_a_run_that_waits_is_stopped_at_once(organization: Organization) -> None:
    run = services.cancel_run(run=start(organization, chain(2)), by=None)
    assert run.status == RunStatus.CANCELLED
    assert set(run.steps.values_list("status", flat=True)) == {"cancelled"}
    assert services.cancel_run(run=run, by=None).status == RunStatus.CANCELLED
    assert AuditEvent.objects.filter(verb="run.stopped").count() == 1


class TestLimits:
    """Nobody is refused; whoever must wait sees the place in the line."""

    @pytest.fixture(autouse=True)
    def low_limits(self, settings: Any, organization: Organization) -> None:
        settings.INFERENCE_RUNS_PER_PERSON = 1
        settings.INFERENCE_RUNS_PER_ORGANIZATION = 2

    def test_a_second_run_of_a_person_waits_and_others_pass(
        self, company: Company, organization: Organization
    ) -> None:
        ada, ben = member(company.launches), member(company.launches)
        first, second = (start(organization, chain(1), actor=ada) for _ in range(2))
        third = start(organization, chain(1), actor=ben)
        assert [run.status for run in (first, second, third)] == ["running", "queued", "running"]
        assert selectors.queue_position(second) == 1

    def test_the_organizations_limit_makes_everybody_wait_in_order(
        self, organization: Organization
    ) -> None:
        runs = [start(organization, chain(1)) for _ in range(4)]
        assert [run.status for run in runs] == ["running", "running", "queued", "queued"]
        assert [selectors.queue_position(run) for run in runs] == [0, 0, 1, 2]
        assert selectors.queue_depth(organization) == 2

    def test_the_next_begins_when_one_is_over(
        self,
        organization: Organization,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        runs = [start(organization, chain(1)) for _ in range(4)]
        with django_capture_on_commit_callbacks(execute=True):
            services.cancel_run(run=runs[0], by=None)
        assert [Run.objects.get(pk=run.pk).status for run in runs] == [
            "cancelled",
            "running",
            "running",
            "queued",
        ]

    def test_whoever_stands_behind_one_that_leaves_the_line_hears_of_it(
        self,
        organization: Organization,
        sent: Sent,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        runs = [start(organization, chain(1), subject=str(number)) for number in range(4)]
        with django_capture_on_commit_callbacks(execute=True):
            services.cancel_run(run=runs[2], by=None)
        told = [(event["topic"], event["status"]) for event in sent()]
        assert ("thing.3", "queued") in told
        assert selectors.queue_position(runs[3]) == 1

    def test_nobody_is_told_of_a_line_that_did_not_move(
        self,
        organization: Organization,
        sent: Sent,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        for number in range(4):
            start(organization, chain(1), subject=str(number))
        with django_capture_on_commit_callbacks(execute=True):
            services.reconcile()
        assert sent() == []

    def test_another_organization_is_not_held_up(self, organization: Organization) -> None:
        for _ in range(3):
            start(organization, chain(1))
        elsewhere = Organization.objects.create(name="Birch", slug="birch")
        assert start(elsewhere, chain(1), subject="2").status == RunStatus.RUNNING

    def test_a_waiting_run_is_not_written(self, organization: Organization, play: Play) -> None:
        play()
        runs = [start(organization, chain(1)) for _ in range(3)]
        assert work(runs[2]).status == RunStatus.QUEUED
        assert not Output.objects.exists()

    def test_the_live_state_tells_the_place_in_the_line(self, organization: Organization) -> None:
        runs = [start(organization, chain(1)) for _ in range(3)]
        shown = selectors.live_state(runs[2].subject)
        assert [(one["run"], one["position"]) for one in shown] == [
            (str(runs[0].pk), 0),
            (str(runs[1].pk), 0),
            (str(runs[2].pk), 1),
        ]


class TestRetry:
    """What failed is written again; what was written is read as it stands."""

    def failed(self, organization: Organization, play: Play) -> Run:
        play(fail_when="[fail]")
        steps = [spec("a"), spec("b", "a", text="[fail] "), spec("c", "b"), spec("d", "a")]
        run = work(start(organization, steps))
        assert run.status == RunStatus.FAILED
        return run

    def test_only_what_failed_and_its_readers_are_written(
        self, organization: Organization, play: Play
    ) -> None:
        run = self.failed(organization, play)
        play()
        again = work(services.retry(run=run, by=None, idempotency_key="again"))
        assert again.status == RunStatus.SUCCEEDED
        assert list(again.steps.values_list("key", flat=True)) == ["b", "c"]
        assert (again.retry_of, again.trigger) == (run, "retry")
        source = Output.objects.get(step_run__run=run, step_run__key="a")
        written = Output.objects.get(step_run__run=again, step_run__key="b")
        assert written.inputs == [{"ref": "a", "output": str(source.pk)}]

    def test_retrying_twice_with_a_key_is_one_run(
        self, organization: Organization, play: Play
    ) -> None:
        run = self.failed(organization, play)
        first = services.retry(run=run, by=None, idempotency_key="again")
        assert services.retry(run=run, by=None, idempotency_key="again") == first

    def test_a_run_that_goes_on_is_not_repeated(self, organization: Organization) -> None:
        with pytest.raises(services.RunGoesOn):
            services.retry(run=start(organization, chain(1)), by=None, idempotency_key="again")

    def test_a_run_that_was_written_is_not_repeated(
        self, organization: Organization, play: Play
    ) -> None:
        play()
        run = work(start(organization, chain(1)))
        with pytest.raises(services.NothingToRun):
            services.retry(run=run, by=None, idempotency_key="again")


class TestAudience:
    """A run may write for the viewers of several subjects; each sees what is theirs."""

    @pytest.fixture
    def run(self, organization: Organization) -> Run:
        there = Subject(kind="thing", id="2")
        steps = [spec("a", audience=there, text="[fail] "), spec("b", "a"), spec("c")]
        return start(organization, steps)

    def test_each_viewer_is_shown_the_steps_that_are_theirs(self, run: Run) -> None:
        (here,) = selectors.live_state(run.subject)
        (there,) = selectors.live_state(Subject(kind="thing", id="2"))
        assert selectors.live_state(Subject(kind="thing", id="3")) == []
        assert {step["key"] for step in here["steps"]} == {"b", "c"}
        assert [step["key"] for step in there["steps"]] == ["a"]
        assert here["run"] == there["run"] == str(run.pk)

    def test_the_newest_run_stays_shown_when_it_is_over(
        self, run: Run, organization: Organization, play: Play
    ) -> None:
        play()
        work(run)
        there = Subject(kind="thing", id="2")
        assert [one["run"] for one in selectors.live_state(there)] == [str(run.pk)]
        own = work(start(organization, [spec("x")], subject="2"))
        assert [one["run"] for one in selectors.live_state(there)] == [str(own.pk)]

    def test_a_failure_elsewhere_is_told_without_its_name(self, run: Run, play: Play) -> None:
        play(fail_when="[fail]")
        work(run)
        errors = {step.key: step.error for step in run.steps.all()}
        assert errors["b"] == "Not written, because a source elsewhere was not"

    def test_another_try_has_the_same_audience(self, run: Run, play: Play) -> None:
        play(fail_when="[fail]")
        again = services.retry(run=work(run), by=None, idempotency_key="again")
        assert dict(again.steps.values_list("key", "topic")) == {"a": "thing.2", "b": "thing.1"}

    def test_events_go_to_whom_they_concern(
        self,
        run: Run,
        play: Play,
        sent: Sent,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        play()
        with django_capture_on_commit_callbacks(execute=True):
            work(run)
        events = sent()
        topics = {
            key: {event["topic"] for event in events if event.get("key") == key} for key in "abc"
        }
        assert topics == {"a": {"thing.2"}, "b": {"thing.1"}, "c": {"thing.1"}}
        ends = {event["topic"] for event in events if event.get("status") == "succeeded"}
        assert ends == {"thing.1", "thing.2"}


class TestReuse:
    """Equal inputs need not be written twice, when the owner says so."""

    def test_an_output_of_equal_inputs_is_taken_and_told(
        self, organization: Organization, play: Play
    ) -> None:
        play()
        work(start(organization, chain(2)))
        run = work(start(organization, chain(2, reuse=True)))
        assert run.status == RunStatus.SUCCEEDED
        assert set(run.steps.values_list("status", flat=True)) == {StepStatus.CACHED}
        assert Output.objects.count() == 2
        told = OutboxRow.objects.filter(payload__run=str(run.pk), kind="output.committed")
        assert [row.payload["cached"] for row in told] == [True, True]
        (shown,) = selectors.live_state(run.subject)
        assert shown["steps"][0]["texts"][0]["text"]

    def test_other_inputs_are_written(self, organization: Organization, play: Play) -> None:
        play()
        work(start(organization, [spec("a", text="One")]))
        run = work(start(organization, [spec("a", text="Two", reuse=True)]))
        assert run.steps.get().status == StepStatus.SUCCEEDED

    def test_a_reader_of_something_new_is_written(
        self, organization: Organization, play: Play
    ) -> None:
        play()
        work(start(organization, chain(2)))
        steps = [spec("c0", text="Something new"), chain(2, reuse=True)[1]]
        run = work(start(organization, steps))
        assert set(run.steps.values_list("status", flat=True)) == {StepStatus.SUCCEEDED}

    def test_another_organizations_output_is_never_taken(
        self, organization: Organization, play: Play
    ) -> None:
        play()
        work(start(organization, chain(1)))
        elsewhere = Organization.objects.create(name="Birch", slug="birch")
        run = start(elsewhere, chain(1, reuse=True), subject="2")
        assert run.steps.get().status == StepStatus.QUEUED


def test_the_live_state_has_the_words_so_far_and_the_committed_ones(
    organization: Organization, play: Play, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    play()
    run = work(start(organization, chain(2)))
    with django_assert_max_num_queries(8):
        (shown,) = selectors.live_state(run.subject)
    assert shown["status"] == "succeeded"
    for step, row in zip(shown["steps"], run.steps.all(), strict=True):
        output = row.outputs.get()
        assert (step["key"], step["status"], step["error"]) == (row.key, "succeeded", "")
        assert step["texts"] == [
            {
                "variant": 0,
                "text": output.text,
                "seq": len(output.text),
                "output": str(output.pk),
            }
        ]
