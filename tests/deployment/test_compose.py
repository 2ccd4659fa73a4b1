"""What production is made of, as far as it shows without a container engine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKER = ROOT / "docker"
OURS = ("web", "worker", "inference", "beat", "migrate")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    listed: dict[str, Any] = compose["services"]
    return listed


def test_production_has_every_process_that_the_architecture_names(services: dict[str, Any]) -> None:
    assert set(services) == {*OURS, "proxy", "postgres", "redis", "cache"}
    assert services["web"]["deploy"]["replicas"] == 2


def test_only_the_proxy_is_reachable_from_outside(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_a_web_process_may_hold_thousands_of_sockets(services: dict[str, Any]) -> None:
    assert services["web"]["ulimits"]["nofile"] >= 65536


@pytest.mark.parametrize("name", OURS)
def test_our_processes_share_one_environment_and_the_data(
    services: dict[str, Any], name: str
) -> None:
    assert services[name]["environment"] == services["web"]["environment"]
    assert services[name]["volumes"] == ["data:/data"]


def test_broker_channels_and_cache_do_not_share_a_database(services: dict[str, Any]) -> None:
    environment = services["web"]["environment"]
    urls = {environment[f"{name}REDIS_URL"] for name in ("", "CHANNEL_", "CACHE_")}

    assert len(urls) == 3
    assert "noeviction" in services["redis"]["command"]


def test_nothing_starts_before_the_database_is_migrated(services: dict[str, Any]) -> None:
    for name in set(OURS) - {"migrate"}:
        assert services[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_every_queue_has_a_worker(services: dict[str, Any], settings: Any) -> None:
    served = {
        command[command.index("--queues") + 1]
        for command in (services[name]["command"] for name in ("worker", "inference"))
    }

    assert served == set(settings.CELERY_TASK_QUEUES)


def test_every_named_volume_exists(compose: dict[str, Any], services: dict[str, Any]) -> None:
    used = {
        volume.split(":")[0]
        for service in services.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }

    assert used == set(compose["volumes"])


def test_every_variable_of_compose_stands_in_the_example() -> None:
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", (DOCKER / "compose.yml").read_text()))
    example = set(re.findall(r"^(\w+)=", (DOCKER / "env.example").read_text(), re.MULTILINE))

    assert wanted == example


def test_the_image_runs_without_root_and_reports_its_health() -> None:
    final = (DOCKER / "Dockerfile").read_text().split("\nFROM ")[-1]

    assert re.search(r"^USER \d+$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final


def test_the_image_holds_everything_that_is_imported() -> None:
    final = (DOCKER / "Dockerfile").read_text().split("\nFROM ")[-1]

    for folder in ("inferencecloud", "apps", "templates", "models"):
        assert f"COPY {folder} {folder}" in final


def test_the_dockerfile_passes_its_linter() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert linter

    told = subprocess.run(
        [linter, str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False
    )

    assert told.stdout == ""
