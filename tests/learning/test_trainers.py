"""TRL's own trainers take the files as they are: one step each, on the processor."""

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.organizations.models import Role
from tests import factories
from tests.factories import Company
from tests.learning.stories import DRAFT, EDITED, settled, wrote
from tests.learning.training import load, train_one_step

COLUMNS = {
    "sft": {"prompt", "completion"},
    "dpo": {"prompt", "chosen", "rejected"},
    "kto": {"prompt", "completion", "label"},
}


@pytest.fixture
def folder(company: Company, signed_in: Callable[[User], Client], tmp_path: Path) -> Path:
    """Return a download of all kinds of examples, unpacked."""
    writer = factories.member(company.launches)
    place = company.launches
    for number in range(4):
        edited = wrote(place, f"{DRAFT} {number}", brief=f"Brief {number}")
        settled(edited, place, f"{EDITED} {number}", writer)
        kept = wrote(place, f"Slowly. {DRAFT} {number}", brief=f"Kept {number}")
        settled(kept, place, kept.text, writer)
        anew = wrote(place, f"Bad {number}", brief=f"Anew {number}")
        settled(anew, place, "Something else altogether, from scratch.", writer)
    steward = factories.member(company.organization, Role.STEWARD)
    answer = signed_in(steward).post("/o/alder/learning/download/")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer))) as archive:
        archive.extractall(tmp_path / "files")
    return tmp_path / "files"


@pytest.mark.parametrize("kind", COLUMNS)
def test_datasets_and_trl_take_the_files_as_they_are(folder: Path, kind: str) -> None:
    found = load(folder, kind)
    assert set(found.column_names) == COLUMNS[kind]
    assert found[0]["prompt"][0] == {"role": "system", "content": "You are the writer."}
    if kind == "kto":
        assert found.features["label"].dtype == "bool"
        assert set(found["label"]) == {True, False}
    logged = train_one_step(folder, kind)
    assert math.isfinite(logged["train_loss"])
