"""The files to train on: what is in them, what is not, and that datasets and TRL take them as they are."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.learning import evidence
from apps.learning.models import Feedback
from apps.learning.services import consent
from apps.organizations.models import AuditEvent, Role
from tests import factories
from tests.factories import Company
from tests.learning.stories import ASKED, DRAFT, EDITED, said, settled, wrote

URL = "/o/alder/learning/download/"
Kind = Feedback.Kind
SignedIn = Callable[[User], Client]


@pytest.fixture
def steward(company: Company) -> User:
    return factories.member(company.organization, Role.STEWARD)


@pytest.fixture
def writer(company: Company) -> User:
    return factories.member(company.launches)


@pytest.fixture
def download(signed_in: SignedIn, steward: User) -> Callable[..., bytes]:
    def get(**wanted: Any) -> bytes:
        answer = signed_in(steward).post(URL, wanted)
        assert answer.status_code == 200
        return b"".join(answer)

    return get


class Zip:
    """A download, opened."""

    def __init__(self, body: bytes) -> None:
        archive = zipfile.ZipFile(io.BytesIO(body))
        assert archive.testzip() is None
        self.files = {name: archive.read(name) for name in archive.namelist()}
        self.manifest = json.loads(self.files["manifest.json"])

    def rows(self, kind: str) -> list[Any]:
        """Return the lines of a kind from all splits."""
        found = []
        for split in ("train", "valid", "test"):
            lines = self.files.get(f"{split}/{kind}.jsonl", b"").decode().split("\n")[:-1]
            found += [json.loads(line) for line in lines]
        return found


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


PROMPT = [
    turn("system", "You are the writer."),
    turn("user", f"{ASKED}A hand-pressed espresso maker"),
]


def test_an_edit_gives_a_completion_and_a_pair_with_exactly_trl_s_columns(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    settled(wrote(company.launches), company.launches, EDITED, writer)
    found = Zip(download())
    assert found.rows("sft") == [{"prompt": PROMPT, "completion": [turn("assistant", EDITED)]}]
    assert found.rows("dpo") == [
        {
            "prompt": PROMPT,
            "chosen": [turn("assistant", EDITED)],
            "rejected": [turn("assistant", DRAFT)],
        }
    ]
    assert found.rows("kto") == []


def test_an_untouched_release_is_good(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    settled(wrote(company.launches), company.launches, DRAFT, writer)
    found = Zip(download())
    assert found.rows("sft") == [{"prompt": PROMPT, "completion": [turn("assistant", DRAFT)]}]
    assert found.rows("kto") == [
        {"prompt": PROMPT, "completion": [turn("assistant", DRAFT)], "label": True}
    ]


def test_line_n_says_where_line_n_comes_from(
    company: Company, writer: User, steward: User, download: Callable[..., bytes]
) -> None:
    made = [wrote(company.launches, f"{DRAFT} {n}", brief=f"Brief {n}") for n in range(6)]
    records = [
        settled(one, company.launches, f"{EDITED} {n}", writer) for n, one in enumerate(made)
    ]
    found = Zip(download())
    by_output = {str(one.pk): (one, record) for one, record in zip(made, records, strict=True)}
    for kind in ("sft", "dpo"):
        lines, origins = found.rows(kind), found.rows(f"{kind}.provenance")
        assert len(lines) == len(origins) == 6
        for line, origin in zip(lines, origins, strict=True):
            output, record = by_output[origin["output"]]
            answer = line["completion" if kind == "sft" else "chosen"]
            assert answer == [turn("assistant", record.final_text)]
            assert line["prompt"][1]["content"].endswith(f"Brief {made.index(output)}")
    origin = origins[0]
    output, record = by_output[origin["output"]]
    assert origin == {
        "example_id": origin["example_id"],
        "org": str(company.organization.pk),
        "division": str(company.brand.pk),
        "notebook": str(record.notebook_id),
        "snapshot_sha": record.final_sha256,
        "run": str(output.step_run.run_id),
        "output": str(output.pk),
        "model_version": str(output.model_version_id),
        "brand_version": None,
        "editors_hash": [evidence.editors_hash(company.organization, writer.pk)],
        "settle": "released",
        "distance": round(record.distance, 4),
        "edit_class": "style",
        "weight": 1.0,
        "consent": ["people:not_denied", "notebook:not_denied", "sources:not_denied"],
        "split_group": str(record.notebook_id),
    }
    assert len({one["example_id"] for one in origins}) == 6


def test_nobody_s_name_or_id_is_in_the_files(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    settled(wrote(company.launches), company.launches, EDITED, writer)
    for body in Zip(download()).files.values():
        assert str(writer.pk).encode() not in body
        assert str(writer).encode() not in body
    elsewhere = factories.company("Elsewhere").organization
    hashed = evidence.editors_hash(company.organization, writer.pk)
    assert hashed != evidence.editors_hash(elsewhere, writer.pk)


def test_the_manifest_tells_what_is_there_and_what_was_not_done(
    company: Company, writer: User, steward: User, download: Callable[..., bytes]
) -> None:
    settled(wrote(company.launches), company.launches, EDITED, writer)
    body = download(settle="released")
    found = Zip(body)
    manifest = found.manifest
    assert {name: one["sha256"] for name, one in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in found.files.items()
        if name != "manifest.json"
    }
    assert sum(manifest["splits"].values()) == 2
    assert manifest["pii"] == {"scanner": None, "hits_replaced": None}
    assert (manifest["dataset"], manifest["version"], manifest["review"]) == ("alder", None, None)
    assert manifest["spec"]["filter"] == {"settle": "released"}
    event = AuditEvent.objects.get(verb="learning.downloaded")
    assert (event.actor, event.organization) == (steward, company.organization)
    assert event.data["sha256"] == hashlib.sha256(body).hexdigest()
    assert event.data["settle"] == "released"
    assert sum(rows for name, rows in event.data.items() if name.endswith(".jsonl")) == 2


def test_the_same_data_gives_the_same_bytes(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    for number in range(8):
        made = wrote(company.launches, f"{DRAFT} {number}", brief=f"Brief {number}")
        settled(made, company.launches, f"{EDITED} {number}", writer)
        said(made, writer, Kind.THUMBS_DOWN)
    assert download() == download()


def test_umlauts_and_line_breaks_stay_in_one_line_of_utf_8(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    text = "Für Käfer:\n“heiß”, 🫘\u2028und mehr davon, jeden Tag, bis es genug ist für alle hier."
    settled(wrote(company.launches, text), company.launches, text, writer)
    [name] = [one for one in Zip(download()).files if one.endswith("/sft.jsonl")]
    body = Zip(download()).files[name]
    assert body.count(b"\n") == 1
    assert "Für Käfer".encode() in body
    assert json.loads(body)["completion"] == [turn("assistant", text)]


def test_the_adopted_variant_is_better_than_the_others(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    taken = wrote(company.launches)
    left = wrote(company.launches, "Coffee, slowly.", key=taken.step_run.key)
    other = wrote(company.launches, "Elsewhere.", brief="Another brief")
    settled(taken, company.launches, DRAFT, writer)
    for over in (left, other):
        said(taken, writer, Kind.CHOOSE_OVER, over=over)
    found = Zip(download())
    [pair] = found.rows("dpo")
    assert pair["chosen"] == [turn("assistant", DRAFT)]
    assert pair["rejected"] == [turn("assistant", "Coffee, slowly.")]
    assert found.manifest["left_out"]["other_prompt"] == 1
    [origin] = found.rows("dpo.provenance")
    assert origin["edit_class"] is None


def test_what_was_passed_over_counts_once_the_cell_has_settled(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    first = wrote(company.launches, "Coffee, slowly.")
    said(first, writer, Kind.REGENERATE)
    assert Zip(download()).manifest["left_out"] == {"not_settled": 1}
    second = wrote(company.launches, DRAFT, key=first.step_run.key)
    settled(second, company.launches, EDITED, writer)
    found = Zip(download())
    [bad] = found.rows("kto")
    assert bad == {
        "prompt": PROMPT,
        "completion": [turn("assistant", "Coffee, slowly.")],
        "label": False,
    }
    [origin] = found.rows("kto.provenance")
    assert (origin["weight"], origin["settle"], origin["distance"]) == (0.5, None, None)
    assert origin["editors_hash"] == [evidence.editors_hash(company.organization, writer.pk)]


def test_duplicates_and_what_was_cut_off_are_counted_and_left_out(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    for finish in ("stop", "stop", "length"):
        settled(wrote(company.launches, finish=finish), company.launches, EDITED, writer)
    found = Zip(download())
    assert (len(found.rows("sft")), len(found.rows("dpo"))) == (1, 1)
    assert found.manifest["left_out"] == {"cut_off": 1, "duplicate": 2}


# --- consent -----------------------------------------------------------------------------------------


def empty(found: Zip) -> bool:
    return list(found.files) == ["manifest.json"]


def test_a_person_s_no_takes_out_all_that_they_wrote(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    settled(wrote(company.launches), company.launches, EDITED, writer)
    consent.switch_person(user=writer, learn=False)
    found = Zip(download())
    assert empty(found)
    assert found.manifest["left_out"] == {"not_allowed": 1}
    consent.switch_person(user=writer, learn=True)
    assert not empty(Zip(download()))


def test_a_notebook_s_no_takes_out_what_was_made_from_it(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    source = wrote(company.newsroom, brief="Secret")
    made = wrote(company.launches, source=source)
    record = settled(made, company.launches, EDITED, writer)
    upstream = source.step_run.key.partition(":")[0]
    consent.switch_notebook(
        notebook_id=upstream,
        organization=company.organization,
        by=company.owner,
        learn=False,
        about=record,
    )
    assert empty(Zip(download()))


def test_the_opinion_of_who_wants_no_learning_is_not_used(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    shy = factories.member(company.launches)
    made = wrote(company.launches)
    settled(made, company.launches, DRAFT, writer, settle="idle")
    said(made, shy, Kind.THUMBS_DOWN)
    assert len(Zip(download()).rows("kto")) == 1
    consent.switch_person(user=shy, learn=False)
    assert empty(Zip(download()))


def test_a_prompt_with_a_hole_teaches_nothing(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    made = wrote(company.launches)
    settled(made, company.launches, EDITED, writer)
    made.prompt[1]["segments"][1]["text"] = ""
    made.save(update_fields=["prompt"])
    assert Zip(download()).manifest["left_out"] == {"erased": 1}


def test_another_organization_s_texts_are_not_in_it(
    company: Company, download: Callable[..., bytes]
) -> None:
    other = factories.company("Elsewhere")
    settled(wrote(other.launches), other.launches, EDITED, factories.member(other.launches))
    assert empty(Zip(download()))


def test_the_download_holds_what_the_filter_shows(
    company: Company, writer: User, download: Callable[..., bytes]
) -> None:
    settled(wrote(company.launches), company.launches, EDITED, writer)
    settled(wrote(company.shops, brief="Shops"), company.shops, EDITED, writer)
    assert len(Zip(download()).rows("sft")) == 2
    assert len(Zip(download(division=company.retail.pk)).rows("sft")) == 1
    assert empty(Zip(download(settle="idle")))
    assert len(Zip(download(learnable="no")).rows("sft")) == 2  # never anything but what may


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.AUDITOR, Role.EDITOR])
def test_only_a_steward_takes_files_along(company: Company, signed_in: SignedIn, role: str) -> None:
    person = factories.member(company.organization, role)
    assert signed_in(person).post(URL).status_code == 404
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    assert signed_in(lead).post(URL).status_code == 404
