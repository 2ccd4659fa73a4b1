"""Let threads do everything to the same runs at the same time; print what was found as JSON."""

import json
import random
import threading
import time
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.inference import outbox, reconciler, transitions  # noqa: E402
from apps.inference.models import STEP_OVER, Output, Run, StepRun  # noqa: E402
from apps.organizations.models import Organization  # noqa: E402
from tests.inference.builders import chain, deployment, spec, start  # noqa: E402
from tests.inference.test_transitions import output_of  # noqa: E402

THREADS = 4
RUNS = 10
WITHIN_S = 60.0


class Hammer:
    """Shared state of the threads."""

    def __init__(self) -> None:
        outbox.unregister("notebooks.adoption")
        self.organization = Organization.objects.create(name="Alder", slug="alder")
        deployment()
        self.acknowledged: list[tuple[Any, int]] = []
        self.errors: list[str] = []
        self.lock = threading.Lock()
        self.runs = [self.start(number) for number in range(RUNS)]

    def start(self, number: int) -> Run:
        diamond = [spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")]
        return start(self.organization, diamond if number % 2 else chain(5), subject=str(number))

    def is_over(self) -> bool:
        return not Run.objects.going_on().exists()

    def thread(self, seed: int) -> None:
        chance = random.Random(seed)
        try:
            deadline = time.monotonic() + WITHIN_S
            while time.monotonic() < deadline and not self.is_over():
                self.act(chance, f"t{seed}-{time.monotonic_ns()}")
        except Exception as error:  # noqa: BLE001  (every error is a finding)
            self.errors.append(repr(error))
        finally:
            close_old_connections()

    def act(self, chance: random.Random, owner: str) -> None:
        run = chance.choice(self.runs)
        now = timezone.now()
        if chance.random() < 0.01:
            transitions.request_cancel(run_id=run.pk, now=now)
        if chance.random() < 0.2:
            reconciler.reconcile()
        steps = transitions.claim(run_id=run.pk, pool="inference", owner=owner, now=now)
        for step in steps:
            transitions.renew(owner=owner, now=timezone.now())
            transitions.begin_streaming(step=step, now=timezone.now())
            if chance.random() < 0.15:
                break  # gives the rest back
            if transitions.commit(step=step, output=output_of(step), now=timezone.now()) is None:
                break
            with self.lock:
                self.acknowledged.append((step.pk, 0))
        transitions.leave(run_id=run.pk, owner=owner, now=timezone.now())

    def findings(self) -> dict[str, Any]:
        twice = Output.objects.values("step_run", "variant").annotate(n=Count("pk")).filter(n__gt=1)
        stored = set(Output.objects.values_list("step_run", "variant"))
        return {
            "errors": self.errors,
            "runs": len(self.runs),
            "succeeded": Run.objects.filter(status="succeeded").count(),
            "cancelled": Run.objects.filter(status="cancelled").count(),
            "unfinished": StepRun.objects.exclude(status__in=STEP_OVER).count(),
            "twice": twice.count() + len(self.acknowledged) - len(set(self.acknowledged)),
            "lost": len(set(self.acknowledged) ^ stored),
        }


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    hammer = Hammer()
    threads = [threading.Thread(target=hammer.thread, args=[seed]) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(hammer.findings()))
