"""Let people found, leave, create and hand over at the same moment; print what was found as JSON."""

import json
import threading
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from django.db.models import Exists, OuterRef  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.core.errors import DomainError  # noqa: E402
from apps.notebooks.models import Notebook, ShareGrant  # noqa: E402
from apps.notebooks.services import leaving, notebooks, sharing  # noqa: E402
from apps.organizations.models import Membership, Organization, Role  # noqa: E402
from apps.organizations.policy import Level  # noqa: E402
from apps.organizations.services import founding  # noqa: E402
from tests import factories  # noqa: E402

ROUNDS = 12


class Race:
    """Runs acts at the same moment and keeps what was no refusal."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.refused: list[str] = []

    def run(self, *acts: Callable[[], Any]) -> None:
        start = threading.Barrier(len(acts))
        threads = [threading.Thread(target=self._act, args=[start, act]) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _act(self, start: threading.Barrier, act: Callable[[], Any]) -> None:
        start.wait()
        try:
            act()
        except DomainError as refusal:
            self.refused.append(type(refusal).__name__)
        except Exception as error:  # noqa: BLE001  (every error is a finding)
            self.errors.append(repr(error))
        finally:
            close_old_connections()


def found(number: int) -> None:
    """Answer the first-run page."""
    founding.found_instance(
        founding=founding.Founding(
            email=f"owner{number}@example.com",
            password=factories.PASSWORD,
            name="Owner",
            organization=f"Company {number}",
            division="Brand",
            workspace="Launches",
        )
    )


def leave_and_write(race: Race, company: factories.Company, heir: User) -> None:
    """Let somebody leave while they create, are given and are shared notebooks."""
    leaver, owner = (factories.member(company.launches) for _ in range(2))
    given, shared = (factories.notebook(company.launches, by=owner) for _ in range(2))
    factories.notebook(company.launches, by=leaver)
    departure = leaving.Departure(organization=company.organization, person=leaver, heir=heir)
    race.run(
        lambda: leaving.leave(departure=departure, by=leaver),
        lambda: notebooks.create_notebook(workspace=company.launches, by=leaver, title="Late"),
        lambda: notebooks.duplicate_notebook(
            notebook=shared, by=leaver, workspace=company.launches
        ),
        lambda: notebooks.transfer_ownership(notebook=given, by=owner, to=leaver),
        lambda: sharing.share_with_person(
            notebook=shared, by=owner, person=leaver, level=Level.VIEW
        ),
        lambda: notebooks.rename_notebook(notebook=given, by=owner, title="Renamed"),
    )


def findings() -> dict[str, Any]:
    """Race, and count what must not be there."""
    race = Race()
    race.run(*[lambda number=number: found(number) for number in range(4)])
    founded = Organization.objects.count(), User.objects.count()
    company = factories.company()
    heir = factories.member(company.launches, Role.EDITOR)
    for _ in range(ROUNDS):
        leave_and_write(race, company, heir)
    member = Membership.objects.filter(organization=OuterRef("organization"))
    orphans = Notebook.objects.exclude(Exists(member.filter(user=OuterRef("owner"))))
    place = Membership.objects.filter(organization=OuterRef("notebook__organization"))
    strangers = ShareGrant.objects.exclude(Exists(place.filter(user=OuterRef("user"))))
    return {
        "errors": race.errors,
        "refused": sorted(set(race.refused)),
        "founded": founded,
        "orphans": orphans.count(),
        "grants_of_strangers": strangers.filter(user__isnull=False).count(),
    }


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    print(json.dumps(findings()))
