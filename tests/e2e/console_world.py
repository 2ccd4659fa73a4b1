"""Puts chains and weeks of runs into a running server's data: `python -m tests.e2e.console_world`."""

import json
from datetime import timedelta

import django

django.setup()

from django.utils import timezone  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.inference import quotas  # noqa: E402
from apps.inference.models import Run, RunStatus, StepRun, StepStatus  # noqa: E402
from apps.notebooks.models import Notebook  # noqa: E402
from apps.notebooks.services.sharing import share_with_person  # noqa: E402
from apps.organizations.models import Workspace  # noqa: E402
from apps.organizations.policy import Level  # noqa: E402
from tests.console.history import ran, wrote  # noqa: E402
from tests.e2e import chain_world  # noqa: E402
from tests.learning import stories  # noqa: E402

DAYS = 25
KEPT = 0.4  # of a draft in the first week; more in every week after it


def build() -> dict[str, str]:
    """Make what happened, with a limit for one division; return ids by name."""
    mara, tomas = (User.objects.get(email__startswith=who) for who in ("mara", "tomas"))
    launches, shops = (Workspace.objects.get(name=name) for name in ("Launches", "Shop marketing"))
    chains = chain_world.build()
    books = {
        mara: Notebook.objects.get(pk=chains["choice"]),
        tomas: Notebook.objects.get(pk=chains["shop"]),
    }
    jonas = User.objects.get(email__startswith="jonas")
    share_with_person(notebook=books[mara], by=mara, person=jonas, level=Level.VIEW)
    now = timezone.now()
    for day in range(DAYS):
        for number, (who, book) in enumerate(books.items()):
            then = now - timedelta(days=day, minutes=5 + number)
            wrote(ran(book, by=who, at=then), tokens=900 + 310 * ((day * 7 + number) % 5))
    failed = ran(books[tomas], by=tomas, status=RunStatus.FAILED, at=now - timedelta(minutes=3))
    ran(books[tomas], by=tomas, status=RunStatus.CANCELLED, at=now - timedelta(minutes=9))
    _settled(launches, shops)
    quotas.set_quota(
        organization=launches.organization,
        by=None,
        tokens_per_day=2_000_000,
        division=launches.division,
    )
    good = ran(books[mara], by=mara)
    wrote(good)
    return {**chains, "run": str(good.pk), "failed": str(failed.pk)}


def _settled(*places: Workspace) -> None:
    now = timezone.now()
    for place in places:
        for week in range(4):
            made = stories.wrote(place)
            _over(made.step_run)
            record = stories.settled(made, place)
            kept = int(record.output_chars * (KEPT + 0.15 * (3 - week)))
            then = now - timedelta(weeks=week, minutes=1)
            type(record).objects.filter(pk=record.pk).update(settled_at=then, kept_chars=kept)


def _over(step: StepRun) -> None:
    """End the run that the story left open, or the workers would write it."""
    StepRun.objects.filter(pk=step.pk).update(status=StepStatus.SUCCEEDED)
    Run.objects.filter(pk=step.run_id).update(
        status=RunStatus.SUCCEEDED, started_at=step.run.created_at, finished_at=timezone.now()
    )


if __name__ == "__main__":
    print(json.dumps(build()))
