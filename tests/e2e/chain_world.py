"""Puts notebooks with chains into a running server's data: `python -m tests.e2e.chain_world`."""

import json

import django

django.setup()

from apps.accounts.models import User  # noqa: E402
from apps.notebooks.models import Notebook  # noqa: E402
from apps.notebooks.projection import project  # noqa: E402
from apps.notebooks.services.sharing import share_with_person  # noqa: E402
from apps.organizations.models import Workspace  # noqa: E402
from apps.organizations.policy import Level  # noqa: E402
from tests.inference.builders import deployment  # noqa: E402
from tests.notebooks.writers import chip, notebook, prompt_cell, text_cell  # noqa: E402

MANY = 100


def build() -> dict[str, str]:
    """Make the notebooks; return their ids by name."""
    deployment()
    mara, tomas = (User.objects.get(email__startswith=who) for who in ("mara", "tomas"))
    launches, shops = (Workspace.objects.get(name=name) for name in ("Launches", "Shop marketing"))
    four = _four(launches, mara)
    share_with_person(notebook=four, by=mara, person=tomas, level=Level.RUN)
    made = {"four": four, "many": _many(launches, mara), "choice": _choice(launches, mara)}
    made["keys"] = _keys(launches, mara)
    made["hurry"] = _four(launches, mara)
    made["shop"] = notebook(shops, tomas, {"type": "paragraph"}, title="Shop window")
    for one in made.values():
        project(one.pk)
    return {name: str(one.pk) for name, one in made.items()}


def _four(place: Workspace, by: User) -> Notebook:
    return notebook(
        place,
        by,
        text_cell("brief", "A hand-pressed espresso maker"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("message", chip("tagline")),
        prompt_cell("post", chip("message")),
        prompt_cell("mail", chip("post")),
        title="Four in a row",
    )


def _choice(place: Workspace, by: User) -> Notebook:
    return notebook(
        place,
        by,
        text_cell("weather", "thunder"),
        prompt_cell("headline", variants=3),
        prompt_cell("storm", chip("weather")),
        title="A choice",
    )


def _keys(place: Workspace, by: User) -> Notebook:
    return notebook(
        place,
        by,
        text_cell("brief", "A hand-pressed espresso maker"),
        prompt_cell("claim", chip("brief")),
        {"type": "paragraph"},
        title="By keyboard",
    )


def _many(place: Workspace, by: User) -> Notebook:
    cells = [text_cell("brief", "A hand-pressed espresso maker")]
    for number in range(1, MANY):
        source = "brief" if number % 10 == 1 else f"cell_{number - 1}"
        cells.append(prompt_cell(f"cell_{number}", chip(source)))
    return notebook(place, by, *cells, title="A hundred")


if __name__ == "__main__":
    print(json.dumps(build()))
