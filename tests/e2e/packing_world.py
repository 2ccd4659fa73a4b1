"""Puts outputs that may be learned from into a running server's data: `python -m tests.e2e.packing_world`."""

import django

django.setup()

from apps.organizations.models import Workspace  # noqa: E402
from tests.learning import stories  # noqa: E402


def build() -> None:
    """Have three texts written, edited and released."""
    launches = Workspace.objects.get(name="Launches")
    for number in range(3):
        made = stories.wrote(
            launches, f"{stories.DRAFT} No. {number}", brief=f"Press number {number}"
        )
        stories.settled(made, launches, f"{stories.EDITED} No. {number}")


if __name__ == "__main__":
    build()
