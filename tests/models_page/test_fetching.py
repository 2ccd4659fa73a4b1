"""Fetching: every file compared, nothing fetched twice, whatever dies; and taken in as an artifact."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.catalog import execution, gathering, imports, tasks
from apps.catalog.models import ModelImport, Variant
from apps.catalog.outlook import ModelRefused
from apps.organizations.models import AuditEvent
from inferencecloud.artifacts.manifest import verify_artifact
from tests.factories import Company
from tests.models_page import hubs
from tests.models_page.hubs import Hub

pytestmark = pytest.mark.django_db
WEIGHTS = "model.safetensors"
Status = ModelImport.Status


class Killed(BaseException):
    """What a worker's death looks like from inside."""


@pytest.fixture
def wanted(company: Company, operator: User, hub: Hub) -> ModelImport:
    """Return a model of the hub that somebody wants here."""
    found = imports.outlook_on("alder/writer")
    one = imports.keep(found=found, organization=company.organization, by=operator)
    return imports.start(one=one, by=operator)


def go_on(one: ModelImport) -> ModelImport:
    execution.fetch(one.pk)
    return ModelImport.objects.get(pk=one.pk)


def later(one: ModelImport, **passed: Any) -> None:
    ModelImport.objects.filter(pk=one.pk).update(moved_at=timezone.now() - timedelta(**passed))


def fetching(one: ModelImport) -> Path:
    return execution.fetching_root() / str(one.pk)


def test_a_model_comes_becomes_an_artifact_and_is_in_the_catalog(
    wanted: ModelImport, data_dir: Path, company: Company
) -> None:
    one = go_on(wanted)
    assert (one.status, one.error, one.done_bytes) == (Status.READY, "", one.size_bytes)
    variant = one.variant
    assert variant is not None
    assert variant.folder.is_relative_to(data_dir / "models")
    assert variant.folder.name.startswith("alder-writer-")
    artifact = verify_artifact(variant.folder)
    assert (artifact.manifest.name, artifact.manifest.licence) == ("writer", "apache-2.0")
    assert artifact.manifest.context_tokens == variant.context_tokens == 1024
    assert (variant.root, variant.version.licence) == (Variant.Root.DATA, "apache-2.0")
    assert not fetching(one).exists()
    verbs = AuditEvent.objects.filter(organization=company.organization, verb__startswith="model.")
    assert list(verbs.order_by("pk").values_list("verb", flat=True)) == [
        "model.import_started",
        "model.imported",
    ]


def test_twice_is_the_same_as_once(
    wanted: ModelImport, operator: User, hub: Hub, called: list[str]
) -> None:
    first = go_on(wanted)
    asked = len(hub.asked)
    assert go_on(wanted).status == Status.READY
    assert len(hub.asked) == asked
    with pytest.raises(imports.NothingToStart):
        imports.start(one=first, by=operator)
    again = imports.keep(
        found=imports.outlook_on("alder/writer"), organization=first.organization, by=operator
    )
    second = go_on(imports.start(one=again, by=operator))
    assert second.variant == first.variant
    assert [path.name for path in (Path(first.variant.folder).parent).glob("alder*")] == [
        Path(first.variant.folder).name
    ]


def test_a_killed_worker_s_bytes_are_not_fetched_again(
    wanted: ModelImport, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = gathering.Gathering.got

    def dies(work: gathering.Gathering, count: int) -> None:
        true(work, count)
        if work.brought > 4_000_000:
            raise Killed

    monkeypatch.setattr(gathering.Gathering, "got", dies)
    with pytest.raises(Killed):
        execution.fetch(wanted.pk)
    part = (fetching(wanted) / f"{WEIGHTS}.part").stat().st_size
    assert 3_000_000 < part < 10_000_000
    monkeypatch.setattr(gathering.Gathering, "got", true)

    assert go_on(wanted).status == Status.RUNNING  # the dead worker's word still holds
    assert execution.overlooked() == []
    later(wanted, minutes=2)
    assert execution.overlooked() == [wanted.pk]
    hub.asked.clear()
    assert go_on(wanted).status == Status.READY
    assert hub.asked[0] == (WEIGHTS, f"bytes={part}-")
    assert "config.json" not in dict(hub.asked)


def test_a_hub_without_ranges_begins_anew(wanted: ModelImport, hub: Hub) -> None:
    hub.ignores_ranges = True
    fetching(wanted).mkdir(parents=True)
    (fetching(wanted) / f"{WEIGHTS}.part").write_bytes(b"something else")
    assert go_on(wanted).status == Status.READY


def test_a_hub_that_stops_is_asked_again_and_the_rest_comes(wanted: ModelImport, hub: Hub) -> None:
    hub.cut_after[WEIGHTS] = 5_000_000
    one = go_on(wanted)
    assert one.status == Status.WAITING
    assert "cannot reach" in one.error or "stopped" in one.error
    assert execution.overlooked() == []
    later(one, minutes=1)
    assert execution.overlooked() == [one.pk]
    hub.cut_after.clear()
    assert go_on(one).status == Status.READY


def test_a_hub_that_stays_away_is_given_up_at_last(
    wanted: ModelImport, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODEL_HUB_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(execution, "ATTEMPTS", 2)
    assert go_on(wanted).status == Status.WAITING
    one = go_on(wanted)
    assert one.status == Status.FAILED
    assert "cannot reach the model hub" in one.error


@pytest.mark.parametrize("file", [WEIGHTS, "tokenizer.json"])
def test_another_checksum_throws_the_file_away_and_names_it(
    wanted: ModelImport, operator: User, hub: Hub, file: str
) -> None:
    hub.damaged.add(file)
    one = go_on(wanted)
    assert one.status == Status.FAILED
    assert one.error.startswith(f"{file} arrived with another checksum")
    assert not (fetching(one) / file).exists()
    assert not (fetching(one) / f"{file}.part").exists()
    assert (fetching(one) / "config.json").exists()
    assert not Variant.objects.exists()
    hub.damaged.clear()
    assert go_on(imports.start(one=one, by=operator)).status == Status.READY


def test_more_than_was_promised_is_never_written(wanted: ModelImport, hub: Hub) -> None:
    hub.repositories["alder/writer"][WEIGHTS] += b"x" * 5_000_000
    one = go_on(wanted)
    assert one.error.startswith(f"{WEIGHTS} arrived with another checksum")


def test_cancelling_stops_it_and_its_files_go(
    wanted: ModelImport, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = gathering.Gathering.got

    def cancelled(work: gathering.Gathering, count: int) -> None:
        if work.brought == 0:
            imports.cancel(one=work.one, by=operator)
            work._told_at = 0.0
        true(work, count)

    monkeypatch.setattr(gathering.Gathering, "got", cancelled)
    one = go_on(wanted)
    assert one.status == Status.CANCELLED
    assert not fetching(one).exists()
    assert AuditEvent.objects.filter(verb="model.import_cancelled").exists()
    with pytest.raises(imports.NothingToStart):
        imports.cancel(one=one, by=operator)


def test_a_long_one_goes_on_in_another_task(
    wanted: ModelImport, monkeypatch: pytest.MonkeyPatch, called: list[str]
) -> None:
    monkeypatch.setattr(gathering, "SLICE_S", 0.0)
    monkeypatch.setattr(gathering, "TELL_EVERY_S", 0.0)
    called.clear()
    tasks.fetch_model.run(import_id=str(wanted.pk))
    assert called == [str(wanted.pk)]
    one = ModelImport.objects.get(pk=wanted.pk)
    assert (one.status, one.holder) == (Status.WAITING, "")


def test_progress_tells_bytes_speed_and_time_left(
    wanted: ModelImport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "TELL_EVERY_S", 0.001)
    seen: list[ModelImport] = []
    true = gathering.Gathering.alive

    def watched(work: gathering.Gathering) -> None:
        true(work)
        seen.append(ModelImport.objects.get(pk=work.one.pk))

    monkeypatch.setattr(gathering.Gathering, "alive", watched)
    go_on(wanted)
    half = [one for one in seen if 0 < one.percent < 100 and one.bytes_per_s]
    assert half
    assert all(one.time_left for one in half)


def test_a_folder_is_copied_and_compared_with_itself(
    data_dir: Path, company: Company, operator: User
) -> None:
    folder = data_dir / "models" / "incoming" / "House"
    folder.mkdir(parents=True)
    for name, content in hubs.starter_files().items():
        (folder / name).write_bytes(content)
    found = imports.outlook_on("House")
    one = imports.keep(found=found, organization=company.organization, by=operator)
    one = go_on(imports.start(one=one, by=operator))
    assert one.status == Status.READY, one.error
    assert one.variant is not None
    assert one.variant.version.family.name == "House"
    verify_artifact(one.variant.folder)
    assert (folder / WEIGHTS).exists()


def test_a_folder_s_own_manifest_vouches_for_its_files(
    data_dir: Path, company: Company, operator: User
) -> None:
    folder = data_dir / "models" / "incoming" / "House"
    folder.mkdir(parents=True)
    for name in [*hubs.TAKEN, "manifest.json"]:
        (folder / name).write_bytes((hubs.STARTER / name).read_bytes())
    changed = json.loads((folder / "config.json").read_text()) | {"rms_norm_eps": 9}
    (folder / "config.json").write_text(json.dumps(changed))
    one = imports.keep(
        found=imports.outlook_on("House"), organization=company.organization, by=operator
    )
    one = go_on(imports.start(one=one, by=operator))
    assert one.status == Status.FAILED
    assert one.error.startswith("config.json arrived with another checksum")


def test_a_folder_that_went_away_is_said(data_dir: Path, company: Company, operator: User) -> None:
    one = ModelImport.objects.create(
        organization=company.organization,
        source="folder",
        origin=str(data_dir / "models" / "incoming" / "gone"),
        name="gone",
        size_bytes=3,
        context_tokens=512,
        context_possible=512,
        files=[{"name": "config.json", "size_bytes": 3, "sha256": "", "blob_sha1": ""}],
    )
    one = go_on(imports.start(one=one, by=operator))
    assert one.status == Status.FAILED
    assert "Wanted a folder beneath" in one.error


def test_what_nobody_came_back_to_goes(
    wanted: ModelImport, hub: Hub, operator: User, company: Company
) -> None:
    hub.damaged.add(WEIGHTS)
    failed = go_on(wanted)
    looked_at = imports.keep(
        found=imports.outlook_on("alder/writer"), organization=company.organization, by=operator
    )
    execution.tidy()
    assert fetching(failed).exists()
    execution.tidy(timezone.now() + timedelta(days=8))
    assert not fetching(failed).exists()
    assert not ModelImport.objects.filter(pk=looked_at.pk).exists()


def test_the_schedule_calls_for_what_is_overlooked(
    wanted: ModelImport, called: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    later(wanted, minutes=1)
    called.clear()
    tasks.look_after_imports.run()
    assert called == [str(wanted.pk)]


def test_a_disk_that_filled_up_stops_it_in_words(
    wanted: ModelImport, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.catalog.outlook.DISK_RESERVE_BYTES", 1 << 60)
    one = go_on(wanted)
    assert one.status == Status.FAILED
    assert "Make room" in one.error
    with pytest.raises(ModelRefused, match="Make room"):
        imports.start(one=one, by=operator)
