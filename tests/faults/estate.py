"""Notebooks for the storm over everything, and what is found afterwards: `python -m tests.faults.estate`.

With `build` it prints the ids of new notebooks; with `judge` it takes what was acknowledged as JSON from
its input and prints what is wrong with it.
"""

import json
import re
import sys
from collections import Counter
from typing import Any

import django

django.setup()

from django.db.models import Count, F, Q  # noqa: E402

from apps.accounts.models import User  # noqa: E402
from apps.inference.models import Delivery, Output, Run, StepRun, StepStatus, Usage  # noqa: E402
from apps.learning.models import EditRecord  # noqa: E402
from apps.notebooks import document  # noqa: E402
from apps.notebooks.chain import marks  # noqa: E402
from apps.notebooks.models import Cell, CellOutput, Notebook, Release  # noqa: E402
from apps.notebooks.services.sharing import share_with_person  # noqa: E402
from apps.organizations.models import Workspace  # noqa: E402
from apps.organizations.policy import Level  # noqa: E402
from tests.faults.visit import EDITED  # noqa: E402
from tests.inference.builders import deployment  # noqa: E402
from tests.notebooks.writers import cell_id, chip, notebook, prompt_cell, state_of, text_cell  # noqa: E402

TITLE = "In the storm"
CHAIN = ("tagline", "message", "post")
COUNT = 2
TOKEN = r"\[\w+-\d+\]"


def build() -> dict[str, Any]:
    """Make something that writes, and notebooks of four cells in a row."""
    deployment()
    mara, tomas = (User.objects.get(email__startswith=who) for who in ("mara", "tomas"))
    launches = Workspace.objects.get(name="Launches")
    reads = ("brief", *CHAIN)
    cells = [
        prompt_cell(name, chip(source))
        for name, source in zip((*CHAIN, EDITED), reads, strict=True)
    ]
    brief = text_cell("brief", "A hand-pressed espresso maker")
    made = [notebook(launches, mara, brief, *cells, title=TITLE) for _ in range(COUNT)]
    for book in made:
        share_with_person(notebook=book, by=mara, person=tomas, level=Level.EDIT)
    ids = {name: str(cell_id(name)) for name in (*CHAIN, EDITED)}
    return {"notebooks": [str(book.pk) for book in made], "cells": ids}


def judge(told: dict[str, Any]) -> dict[str, Any]:
    """Return what is wrong (lists that are to be empty), and how much there was of everything."""
    return {
        "wrong": {
            **wrong_outputs(),
            **wrong_deliveries(),
            "runs": wrong_runs(told["runs"]),
            "releases": [one for one in told["releases"] if not is_recorded(*one)],
            "due": [str(cell) for cell in Cell.objects.exclude(settle_due="")],
        },
        "count": {
            "runs": Run.objects.count(),
            "outputs": Output.objects.count(),
            "records": EditRecord.objects.count(),
            "edited": EditRecord.objects.filter(distance__gt=0).count(),
            "deaths": sum(StepRun.objects.values_list("deaths", flat=True)),
            **Counter(CellOutput.objects.values_list("status", flat=True)),
        },
    }


def wrong_outputs() -> dict[str, list[str]]:
    """One output for each variant of a step, each once in the ledger with its tokens."""
    done = StepRun.objects.filter(status=StepStatus.SUCCEEDED).annotate(made=Count("outputs"))
    miscounted = [step for step in done if step.made != step.params.get("variants", 1)]
    same = Q(
        usage__prompt_tokens=F("prompt_tokens"),
        usage__new_tokens=F("new_tokens"),
    )
    return {
        "miscounted": [str(step.pk) for step in miscounted],
        "not_in_ledger": [str(one.pk) for one in Output.objects.exclude(same)],
        "of_nothing": [str(one.pk) for one in Usage.objects.filter(output=None)],
    }


def wrong_deliveries() -> dict[str, list[str]]:
    """Everybody was told of each output; what was adopted last stands in the document."""
    told = set(CellOutput.objects.values_list("output_id", flat=True))
    missing = []
    for book in Notebook.objects.filter(title=TITLE):
        places = marks.places_of(document.decode(state_of(book)))
        for (cell, part), node in places.items():
            if part != marks.RESULT:
                continue
            adopted = CellOutput.objects.filter(notebook=book, cell_id=cell, status="adopted")
            last = adopted.order_by("-decided_at").first()
            if last is not None and str(last.output_id) not in marks.texts_by_output(node):
                missing.append(str(last.output_id))
    return {
        "undelivered": [str(one) for one in Delivery.objects.filter(delivered_at=None)],
        "untold": [str(one.pk) for one in Output.objects.exclude(pk__in=told)],
        "not_in_document": missing,
    }


def wrong_runs(acknowledged: dict[str, str]) -> list[str]:
    """Return acknowledged runs that are not there, did not succeed, or were begun twice."""
    wrong = []
    for key, run in acknowledged.items():
        status = Run.objects.filter(pk=run).values_list("status", flat=True).first()
        same = Run.objects.filter(idempotency_key=key).count()
        if status != "succeeded" or same > 1:
            wrong.append(f"{key}: {run} is {status}, {same} of its key")
    return wrong


def is_recorded(book: str, cell: str, number: int) -> bool:
    """Say whether the release is there, and with it an edit record of its text."""
    release = Release.objects.filter(notebook=book, cell_id=cell, number=number).first()
    if release is None:
        return False
    records = EditRecord.objects.filter(notebook_id=book, cell_id=cell, settle="released")
    texts = records.values_list("final_text", flat=True)
    return taken_apart(release.text) in map(taken_apart, texts)


def taken_apart(text: str) -> tuple[set[str], str]:
    """Return the tokens that people wrote, and what the model wrote."""
    tokens = re.findall(TOKEN, text)
    return set(tokens), " ".join(re.sub(TOKEN, " ", text).split())


if __name__ == "__main__":
    answer = build() if sys.argv[1] == "build" else judge(json.load(sys.stdin))
    print(json.dumps(answer))
