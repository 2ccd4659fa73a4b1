"""What serves an alias, and how artifacts come into the catalog."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apps.catalog import registry, selectors, services
from apps.catalog.models import Deployment, ModelVersion, Variant
from apps.organizations.models import AuditEvent, Organization
from tests.factories import Company
from tests.inference.builders import deployment


@pytest.fixture
def source(tmp_path: Path, settings: Any) -> Path:
    """Return a folder that plays the source tree, with a starter in it."""
    settings.BASE_DIR = tmp_path
    settings.DATA_DIR = tmp_path / "data"
    write_artifact(tmp_path / services.STARTER)
    return tmp_path


def write_artifact(folder: Path, **changes: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "name": "Starter",
        "architecture": "LlamaForCausalLM",
        "dtype": "bfloat16",
        "parameters": 1000,
        "context_tokens": 512,
        "has_chat_template": True,
        "licence": "Apache-2.0",
        "files": {"model.safetensors": {"sha256": "0" * 64, "size_bytes": 2000}},
        "format": 1,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


@pytest.mark.django_db
class TestStarter:
    """The model that came with the source."""

    def test_it_is_registered_and_writes(self, source: Path) -> None:
        found = services.ensure_starter()
        assert found is not None
        assert (found.alias, found.label, found.organization) == ("writer", "Writer", None)
        assert found.variant.folder == source / "models" / "starter"
        assert (found.variant.name, found.variant.context_tokens) == ("bfloat16", 512)
        assert (found.variant.size_bytes, found.variant.version.licence) == (2000, "Apache-2.0")

    def test_twice_is_the_same_as_once(self, source: Path) -> None:
        assert services.ensure_starter() == services.ensure_starter()
        assert Deployment.objects.count() == Variant.objects.count() == 1

    def test_a_newer_starter_takes_over_as_the_next_version(self, source: Path) -> None:
        old = services.ensure_starter()
        write_artifact(source / services.STARTER, parameters=2000)
        new = services.ensure_starter()
        assert old is not None
        assert new is not None
        assert (old.variant.version.number, new.variant.version.number) == (1, 2)
        assert Deployment.objects.get(retired_at__isnull=True) == new

    def test_a_model_that_somebody_chose_stays(self, source: Path) -> None:
        chosen = deployment()
        assert services.ensure_starter() == chosen

    def test_a_source_without_a_model_is_no_error(self, tmp_path: Path, settings: Any) -> None:
        settings.BASE_DIR = tmp_path
        assert services.ensure_starter() is None

    def test_the_command_says_what_writes(
        self, source: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("ensure_starter")
        assert capsys.readouterr().out == "Writer: Starter 1, bfloat16\n"

    def test_the_command_says_when_there_is_none(
        self, tmp_path: Path, settings: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.BASE_DIR = tmp_path
        call_command("ensure_starter")
        assert "without a model" in capsys.readouterr().out


def test_a_folder_without_a_manifest_is_refused_in_words(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    with pytest.raises(registry.ArtifactUnreadable, match=r"no manifest\.json"):
        registry.find_artifact("nothing")


@pytest.mark.django_db
def test_registering_the_same_artifact_again_gives_the_same_variant(source: Path) -> None:
    found = registry.find_artifact(services.STARTER, root=Variant.Root.SHIPPED)
    first = registry.register(found=found, family="house", name="House")
    assert registry.register(found=found, family="house", name="House") == first
    assert ModelVersion.objects.count() == 1


def test_an_organizations_own_deployment_comes_before_the_instances(company: Company) -> None:
    shared = deployment()
    elsewhere = Organization.objects.create(name="Birch", slug="birch")
    own = deployment(organization=company.organization)
    assert selectors.deployment_for(company.organization) == own
    assert selectors.deployment_for(elsewhere) == shared
    assert selectors.deployments_of(company.organization) == [own]
    assert selectors.model_version_for(elsewhere) == str(shared.variant.version_id)


def test_without_a_deployment_there_is_no_version(company: Company) -> None:
    assert selectors.deployment_for(company.organization) is None
    assert selectors.model_version_for(company.organization) == ""


def test_a_new_deployment_retires_the_one_before_and_leaves_a_trace(company: Company) -> None:
    old = deployment()
    new = services.deploy(variant=old.variant, alias="writer", label="Writer", by=company.owner)
    old.refresh_from_db()
    assert old.retired_at
    assert selectors.deployment_for(company.organization) == new
    event = AuditEvent.objects.filter(verb="model.deployed", actor=company.owner).get()
    assert event.target_id == str(new.pk)


@pytest.mark.django_db
def test_pools_are_those_that_something_is_deployed_to() -> None:
    deployment()
    deployment("judge", pool="judges")
    assert selectors.pools() == ["inference", "judges"]


@pytest.mark.django_db
def test_an_estimate_follows_the_speed_that_was_measured() -> None:
    variant = deployment().variant
    services.record_speed(variant=variant, context_tokens=512, decode_per_s=10, prefill_per_s=100)
    variant.refresh_from_db()
    estimate = selectors.estimate(variant, prompt_characters=396, new_tokens=50)
    assert (estimate.seconds, estimate.tokens) == (pytest.approx(6.0), 150)
