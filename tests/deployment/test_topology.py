"""The production that tests and benchmarks start is the one that docker/compose.yml describes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import servers, topology
from tests.servers import Child, Production

OF_THE_IMAGE = {"DJANGO_SETTINGS_MODULE", "DATA_DIR", "PYTHONUNBUFFERED"}
OF_THE_OUTSIDE = {
    "CSRF_TRUSTED_ORIGINS", "EMAIL_URL", "DEFAULT_FROM_EMAIL", "METRICS_TOKEN",
    "MODEL_HUB_URL", "MODEL_HUB_TOKEN",
}  # fmt: skip
OF_OBJECT_STORAGE = {"S3_BUCKET", "S3_ENDPOINT_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
# There is no proxy, the cores are shared, and what hangs is to say where.
OF_TESTS = {"SECURE_SSL_REDIRECT", "OMP_NUM_THREADS", "PYTHONFAULTHANDLER"}


@pytest.fixture(scope="module")
def production() -> Iterator[Production]:
    replicas = topology.services()["web"]["deploy"]["replicas"]
    with servers.production(webs=replicas, worker=True) as made:
        yield made


def running(child: Child) -> list[str]:
    """Return the command of the process as the kernel knows it."""
    assert child.is_running, child.words[-3000:]
    return Path(f"/proc/{child.pid}/cmdline").read_bytes().decode().split("\0")[:-1]


def test_each_service_of_compose_runs_with_its_words(production: Production) -> None:
    services = set(topology.services()) - {"proxy", "migrate", "postgres"}
    assert services == {"web", *topology.WORK, *topology.STORES}

    for web in production.webs:
        assert topology.essence(running(web)) == topology.essence(topology.written_command("web"))
    assert set(production.work) == set(topology.WORK)
    for name, child in production.work.items():
        written = topology.written_command(name)
        assert topology.essence(running(child)) == topology.essence(written)


@pytest.mark.parametrize("name", topology.STORES)
def test_each_redis_is_set_as_compose_sets_it(production: Production, name: str) -> None:
    store: servers.Redis = getattr(production, name)
    words = topology.written_command(name)[1:]

    for flag, written in zip(words[::2], words[1::2], strict=True):
        wanted = written.replace("256mb", str(256 * 2**20))
        assert setting(store, flag.removeprefix("--")) == wanted


def setting(store: servers.Redis, name: str) -> str:
    with redis.Redis(port=store.port, decode_responses=True) as client:
        return str(client.config_get(name)[name])


def test_every_process_is_told_what_compose_tells_it(production: Production) -> None:
    told = set(production.env) - {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"}
    written = set(topology.services()["web"]["environment"])

    assert told - written == OF_THE_IMAGE | OF_TESTS
    assert written - told == OF_THE_OUTSIDE | OF_OBJECT_STORAGE


@pytest.mark.parametrize("name", ["worker", "inference"])
def test_a_worker_is_healthy_by_the_check_of_compose(production: Production, name: str) -> None:
    servers.wait_until(lambda: is_healthy(production, name), f"{name} is healthy")


def is_healthy(production: Production, name: str) -> bool:
    kind, check = topology.services()[name]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    words = check.replace("celery@$$HOSTNAME", f"{name}@here").split()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=servers.ROOT,
        env=production.env,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.parametrize("name", ["worker", "inference", "beat", "web"])
def test_a_process_ends_in_the_time_that_compose_gives_it(
    production: Production, name: str
) -> None:
    child = production.webs[0] if name == "web" else production.work[name]
    grace = str(topology.services()[name].get("stop_grace_period", "10s"))

    try:
        child.stop(within_s=float(grace.removesuffix("s")))
    finally:
        child.start()
