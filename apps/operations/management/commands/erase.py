"""`manage.py erase KIND ID`: forget a notebook, its past, an output, an edit record, or a person."""

import json
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.inference.models import Output
from apps.learning.models import EditRecord
from apps.notebooks.models import Notebook
from apps.notebooks.services import erasure
from apps.notebooks.services.notebooks import delete_notebook
from apps.operations.erasing import erase_person


def _notebook(pk: uuid.UUID) -> object:
    return asdict(delete_notebook(notebook=Notebook.objects.get(pk=pk), by=None))


def _past(pk: uuid.UUID) -> object:
    return asdict(erasure.forget_past(notebook=Notebook.objects.get(pk=pk), by=None))


def _output(pk: uuid.UUID) -> object:
    return asdict(erasure.forget_output(output=Output.objects.get(pk=pk), by=None))


def _record(pk: uuid.UUID) -> object:
    erasure.forget_record(record=EditRecord.objects.get(pk=pk), by=None)
    return {"records": 1}


def _person(pk: uuid.UUID) -> object:
    found = erase_person(person=User.objects.get(pk=pk), by=None)
    return {notebook: asdict(erased) for notebook, erased in found.items()}


KINDS: dict[str, Callable[[uuid.UUID], object]] = {
    "notebook": _notebook,
    "past": _past,
    "output": _output,
    "record": _record,
    "person": _person,
}


class Command(BaseCommand):
    """Forget something for good."""

    help = (
        "Forget for good: a notebook from the trash, the past of a notebook, one output, one edit "
        "record, or a person who has left every organization."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what it is and which."""
        parser.add_argument("kind", choices=list(KINDS))
        parser.add_argument("id", type=uuid.UUID)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it and say what went, and what had been made with it."""
        try:
            erased = KINDS[options["kind"]](options["id"])
        except ObjectDoesNotExist as missing:
            raise CommandError(f"There is no {options['kind']} {options['id']}.") from missing
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(json.dumps(erased, indent=1))
