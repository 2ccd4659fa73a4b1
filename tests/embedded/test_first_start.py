"""What a start brings up to date."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django.fixtures import Settings

from inferencecloud.embedded import first_start
from tests import factories


@pytest.mark.django_db
def test_a_migrated_database_is_not_outdated() -> None:
    assert not first_start.is_outdated()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_lacks_a_migration_is_brought_up_to_date() -> None:
    call_command("migrate", "axes", "0001", verbosity=0)
    assert first_start.is_outdated()

    first_start.migrate()

    assert not first_start.is_outdated()


@pytest.mark.django_db
def test_an_instance_has_people_once_somebody_can_sign_in() -> None:
    assert not first_start.has_people()

    factories.person()

    assert first_start.has_people()


@pytest.fixture
def sources(tmp_path: Path, settings: Settings) -> Path:
    """Return a folder of built files, in the place of the real one."""
    built = tmp_path / "built"
    built.mkdir()
    (built / "app.css").write_text("body { color: black }")
    settings.STATICFILES_DIRS = [built]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    return built


def manifest(settings: Settings) -> dict[str, str]:
    written = Path(settings.STATIC_ROOT) / "staticfiles.json"
    paths: dict[str, str] = json.loads(written.read_text())["paths"]
    return paths


def test_files_are_collected_under_names_that_change_with_them(
    sources: Path, settings: Settings
) -> None:
    assert first_start.collect_static()
    before = manifest(settings)["app.css"]

    (sources / "app.css").write_text("body { color: red; margin: 0 }\n" * 99)
    assert first_start.collect_static()

    after = manifest(settings)["app.css"]
    assert before != after
    assert (Path(settings.STATIC_ROOT) / before).exists()  # an open tab may still ask for it
    assert (Path(settings.STATIC_ROOT) / f"{after}.gz").exists()


@pytest.mark.usefixtures("sources")
def test_files_that_did_not_change_are_not_collected_again() -> None:
    assert first_start.collect_static()

    assert not first_start.collect_static()


def test_a_collection_that_was_interrupted_is_done_again(
    sources: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first_start, "call_command", killed)
        with pytest.raises(KeyboardInterrupt):
            first_start.collect_static()

    assert first_start.collect_static()
    assert "app.css" in manifest(settings)


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL is durable by default")
def test_sqlite_is_told_to_reach_the_disk_before_it_confirms() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (2,)  # FULL
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
