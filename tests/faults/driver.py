"""Start and watch runs on servers of their own: one JSON command per line in, one answer per line out."""

import json
import sys
from collections import Counter
from typing import Any

import django

django.setup()

from apps.inference import services  # noqa: E402
from apps.inference.models import STEP_HELD, Delivery, Output, Run, StepRun  # noqa: E402
from apps.inference.specs import Params  # noqa: E402
from apps.organizations.models import Organization  # noqa: E402
from tests.faults.witness import notes  # noqa: E402
from tests.inference.builders import chain, deployment, spec, start  # noqa: E402


def prepare() -> Any:
    """Make the organization and something that writes."""
    Organization.objects.create(name="Alder", slug="alder")
    deployment()
    return {}


def begin(number: int) -> Any:
    """Begin a run of three steps, the second in two variants; texts are the same in every run."""
    steps = [
        spec("a", params=Params(seed=1, max_new_tokens=30)),
        spec("b", "a", params=Params(seed=2, max_new_tokens=30, variants=2)),
        spec("c", "b", params=Params(seed=3, max_new_tokens=30, max_chars=80)),
    ]
    organization = Organization.objects.get(slug="alder")
    return str(start(organization, steps, key=f"run-{number}", subject=str(number)).pk)


def begin_long(number: int) -> Any:
    """Begin a run that goes on for many seconds."""
    organization = Organization.objects.get(slug="alder")
    steps = chain(60, params=Params(seed=1, max_new_tokens=30))
    return str(start(organization, steps, key=f"run-{number}", subject=str(number)).pk)


def state(run: str) -> Any:
    """Return everything that the test judges."""
    row = Run.objects.get(pk=run)
    told = Counter((note["kind"], note.get("output")) for note in notes.notes(run))
    outputs = Output.objects.filter(step_run__run=row).order_by("step_run__position", "variant")
    waiting = Delivery.objects.filter(row__payload__run=run, delivered_at__isnull=True)
    return {
        "status": row.status,
        "steps": list(row.steps.values_list("status", "attempt", "deaths", "error_code")),
        "texts": [[one.step_run.key, one.variant, one.text] for one in outputs],
        "held": StepRun.objects.filter(run=row, status__in=STEP_HELD).count(),
        "undelivered": waiting.count(),
        "untold": [str(o.pk) for o in outputs if not told["output.committed", str(o.pk)]],
        "end_told": told["run.finished", None],
    }


def stop(run: str) -> Any:
    """Stop a run."""
    return services.cancel_run(run=Run.objects.get(pk=run), by=None).status


COMMANDS = {
    "prepare": prepare,
    "begin": begin,
    "begin_long": begin_long,
    "state": state,
    "stop": stop,
}

if __name__ == "__main__":
    for line in sys.stdin:
        command = json.loads(line)
        answer = COMMANDS[command.pop("do")](**command)
        print(json.dumps(answer), flush=True)
