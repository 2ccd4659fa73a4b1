"""The part of benchmarks/load.py that fills a database, and asks it how quick the model was.

    python -m benchmarks.inside.load fill EDITORS VIEWERS NOTEBOOKS
    python -m benchmarks.inside.load first_tokens

Prints JSON on its last line.
"""

import json
import statistics
import sys
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.catalog.services import ensure_starter  # noqa: E402
from apps.inference.models import Output  # noqa: E402
from apps.organizations.models import Role  # noqa: E402
from tests import factories  # noqa: E402
from tests.notebooks.writers import cell_id, chip, notebook, prompt_cell, text_cell  # noqa: E402

NAMES = ("tagline", "message", "post")


def session_of(person: User) -> str:
    """Return the key of a new session."""
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def fill(editors: int, viewers: int, notebooks: int) -> dict[str, Any]:
    """Make a company with a writer, editors and viewers, and notebooks of three cells in a row."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody signs in
    ensure_starter()
    company = factories.company()
    roles = [Role.EDITOR] * editors + [Role.VIEWER] * viewers
    people = [factories.member(company.launches, role) for role in roles]
    cells = [
        prompt_cell(name, chip(source), length="short")
        for name, source in zip(NAMES, ("brief", *NAMES), strict=False)
    ]
    brief = text_cell("brief", "A lamp of brushed steel with a warm light, for desks")
    made = [
        notebook(company.launches, people[number], brief, *cells, title=f"Launch {number}")
        for number in range(notebooks)
    ]
    return {
        "sessions": [session_of(person) for person in people],
        "notebooks": [str(book.pk) for book in made],
        "cells": [str(cell_id(name)) for name in NAMES],
        "slug": company.organization.slug,
    }


def first_tokens() -> dict[str, Any]:
    """Return how long the engine itself took to the first token of a chain, in the last two minutes."""
    since = timezone.now() - timezone.timedelta(minutes=2)
    first = Output.objects.filter(created_at__gt=since, step_run__position=0)
    took = [s for s in first.values_list("first_token_s", flat=True) if s is not None]
    return {"count": len(took), "median_ms": statistics.median(took) * 1000 if took else None}


if __name__ == "__main__":
    job, *numbers = sys.argv[1:]
    answer = fill(*map(int, numbers)) if job == "fill" else first_tokens()
    print(json.dumps(answer))
