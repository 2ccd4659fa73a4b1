"""At least once, in order per subject, whatever fails in between."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from apps.inference import outbox
from apps.inference.models import Delivery, Run
from apps.organizations.models import Organization
from tests.inference import consumers
from tests.inference.builders import chain, start


@pytest.fixture(autouse=True)
def consumer(no_consumers: None) -> None:
    outbox.register("tests.take", "tests.inference.consumers.take")
    consumers.taken.clear()
    consumers.faults.clear()


def tell(run: Run, *numbers: int) -> None:
    for number in numbers:
        outbox.add(run=run, kind="run.finished", payload={"n": number})


def taken() -> list[tuple[str, int]]:
    return [(message.subject.id, message.payload["n"]) for message in consumers.taken]


def pass_time(seconds: float) -> None:
    """Let the pauses of all deliveries be over."""
    Delivery.objects.update(not_before=timezone.now() - timedelta(seconds=seconds))


def test_everything_is_delivered_once_in_order(organization: Organization) -> None:
    run = start(organization, chain(1))
    tell(run, 1, 2, 3)
    assert outbox.deliver() == 3
    assert outbox.deliver() == 0
    assert taken() == [("1", 1), ("1", 2), ("1", 3)]


def test_what_another_process_was_first_with_holds_nothing_up(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(organization, chain(1))
    tell(run, 1, 2)
    take = outbox._take

    def take_late(some: list[Delivery], now: datetime) -> list[Delivery]:
        first = Delivery.objects.order_by("row_id").filter(delivered_at__isnull=True)[:1]
        monkeypatch.setattr(outbox, "_take", take)
        Delivery.objects.filter(pk__in=list(first.values_list("pk", flat=True))).update(
            delivered_at=now
        )
        return take(some, now)

    monkeypatch.setattr(outbox, "_take", take_late)

    assert outbox.deliver() == 1
    assert taken() == [("1", 2)]


def test_a_consumer_gets_what_happened_and_to_what(organization: Organization) -> None:
    run = start(organization, chain(1))
    tell(run, 7)
    outbox.deliver()
    (message,) = consumers.taken
    assert (message.kind, message.subject, message.payload) == (
        "run.finished",
        run.subject,
        {"n": 7},
    )
    assert message.organization_id == str(organization.pk)


def test_a_failure_holds_up_its_own_subject_only_and_is_tried_again(
    organization: Organization,
) -> None:
    first = start(organization, chain(1))
    second = start(organization, chain(1), subject="2")
    consumers.faults["1"] = 1
    tell(first, 1)
    tell(second, 2)
    tell(first, 3)
    assert outbox.deliver() == 1
    assert taken() == [("2", 2)]
    assert outbox.deliver() == 0  # a pause is on
    pass_time(1)
    assert outbox.deliver() == 2
    assert taken() == [("2", 2), ("1", 1), ("1", 3)]


def test_pauses_grow_and_end_in_giving_up(organization: Organization) -> None:
    run = start(organization, chain(1))
    consumers.faults["1"] = outbox.TRIES
    tell(run, 1, 2)
    pauses = []
    for _ in range(outbox.TRIES):
        pass_time(1)
        outbox.deliver()
        first = Delivery.objects.order_by("pk").first()
        assert first is not None
        pauses.append((first.not_before - timezone.now()).total_seconds())
    assert pauses == sorted(pauses)
    assert first.given_up_at
    assert first.error == "RuntimeError: not now"
    pass_time(1)
    outbox.deliver()
    assert taken() == [("1", 2)]  # the others do not wait for ever


def test_a_clock_that_is_put_back_makes_no_pause_longer(organization: Organization) -> None:
    run = start(organization, chain(1))
    consumers.faults["1"] = 1
    tell(run, 1)
    assert outbox.deliver() == 0
    assert outbox.deliver() == 0  # a pause is on
    pass_time(-2 * outbox.PAUSE_LIMIT_S)
    assert outbox.deliver() == 1


def test_a_delivery_that_nobody_confirmed_is_repeated(organization: Organization) -> None:
    tell(start(organization, chain(1)), 1)
    outbox.deliver()
    Delivery.objects.update(delivered_at=None)  # as after a death before the confirmation
    pass_time(1)
    assert outbox.deliver() == 1
    assert taken() == [("1", 1), ("1", 1)]


def test_a_delivery_in_another_process_is_left_alone(organization: Organization) -> None:
    tell(start(organization, chain(1)), 1)
    (delivery,) = outbox._open_deliveries(10)
    assert outbox._take([delivery], timezone.now())
    assert outbox.deliver() == 0


def test_without_consumers_nothing_waits(organization: Organization) -> None:
    outbox.unregister("tests.take")
    tell(start(organization, chain(1)), 1)
    assert not Delivery.objects.exists()


class TestBatches:
    """A consumer that wants it so is told several things of one subject at once."""

    @pytest.fixture(autouse=True)
    def several(self, consumer: None) -> None:
        outbox.register("tests.take", "tests.inference.consumers.take_several", in_batches=True)
        consumers.batches.clear()
        consumers.refused.clear()

    def test_what_waits_comes_at_once_and_in_order(self, organization: Organization) -> None:
        run = start(organization, chain(1))
        other = start(organization, chain(1), subject="2")
        tell(run, 1, 2)
        tell(other, 3)
        tell(run, 4)
        assert outbox.deliver() == 4
        assert consumers.batches == [3, 1]
        assert taken() == [("1", 1), ("1", 2), ("1", 4), ("2", 3)]

    def test_more_than_fits_comes_in_turns(self, organization: Organization) -> None:
        tell(start(organization, chain(1)), *range(outbox.AT_ONCE + 2))
        assert outbox.deliver() == outbox.AT_ONCE + 2
        assert consumers.batches == [outbox.AT_ONCE, 2]

    def test_one_that_is_at_fault_holds_up_what_follows_until_it_is_given_up(
        self, organization: Organization
    ) -> None:
        consumers.refused.add(2)
        tell(start(organization, chain(1)), 1, 2, 3)
        assert outbox.deliver() == 1
        assert taken() == [("1", 1)]
        first, second = Delivery.objects.filter(delivered_at=None).order_by("pk")
        assert (first.tries, second.tries) == (1, 0)
        for _ in range(outbox.TRIES):
            pass_time(1)
            outbox.deliver()
        assert taken() == [("1", 1), ("1", 3)]
        first.refresh_from_db()
        assert first.tries == outbox.TRIES
        assert first.given_up_at

    def test_what_another_process_has_taken_holds_up_what_follows(
        self, organization: Organization
    ) -> None:
        tell(start(organization, chain(1)), 1, 2, 3)
        _first, second, _third = waiting = outbox._open_deliveries(10)
        assert outbox._take([second], timezone.now()) == [second]
        assert [one.pk for one in outbox._take(waiting, timezone.now())] == [waiting[0].pk]
