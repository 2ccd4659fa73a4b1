"""Servers of our own for tests: PostgreSQL, Redis, web processes and workers on free ports.

Everything lives in a temporary folder and ends with the test. Nothing that already runs on the machine
is asked, used or stopped.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from tests import topology

ROOT = Path(__file__).resolve().parent.parent
START_S = 60


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(true: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    """Return once the condition holds; AssertionError when it does not in time."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"waited {within_s:.0f} s in vain: {what}"
        time.sleep(0.05)


class Child:
    """A process that a test started: its words are kept, and it can be killed and started again."""

    def __init__(
        self, command: list[str], *, log: Path, env: dict[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        self.command, self.env, self.cwd, self.log = command, env, cwd, log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Say whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it in a session of its own, so that a kill takes it alone."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a power cut would (kill -9)."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait(timeout=30)

    def stop(self, number: int = signal.SIGTERM, within_s: float = 20) -> int:
        """Ask it to end; return its exit status, or kill it and fail when it takes too long."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @property
    def words(self) -> str:
        """Return all that it has said so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def binary(name: str) -> str:
    """Return where the program is, or skip the test (which CI turns into a failure)."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, homes), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _unprivileged() -> list[str]:
    """Return the command prefix that gives up root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return []
    account = _account()
    ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
    return [binary("setpriv"), *ids, "--clear-groups"]


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("no account to run PostgreSQL as")


class Postgres(Child):
    """A PostgreSQL server with one empty database."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.data = folder / "data"
        folder.mkdir(mode=0o755)
        if os.geteuid() == 0:
            account = _account()
            os.chown(folder, account.pw_uid, account.pw_gid)
        initdb = [*_unprivileged(), binary("initdb"), "--pgdata", str(self.data)]
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        subprocess.run([*initdb, *options], check=True, capture_output=True, cwd="/")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": 120,
            "synchronous_commit": "on",
        }
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [*_unprivileged(), binary("postgres"), "-D", str(self.data), *flags]
        super().__init__(command, log=folder.parent / "postgres.log", cwd=Path("/"))

    @property
    def url(self) -> str:
        """Return the address for DATABASE_URL."""
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers; after a kill the old processes may need a moment."""
        deadline = time.monotonic() + START_S
        super().start()
        while not self._answers():
            assert time.monotonic() < deadline, self.words[-3000:]
            if not self.is_running:
                super().start()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


FORGETFUL = ("--save", "", "--appendonly", "no")


class Redis(Child):
    """A Redis server; unless told otherwise it forgets everything when it ends."""

    def __init__(self, folder: Path, *, name: str = "redis", flags: Sequence[str] = FORGETFUL):
        self.port = free_port()
        self.data = folder / name
        self.data.mkdir()
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.data)]
        command = [binary("redis-server"), *place, *flags]
        super().__init__(command, log=folder / f"{name}.log")

    def forget(self) -> None:
        """Lose what it kept on its disk, too; it must not run."""
        shutil.rmtree(self.data)
        self.data.mkdir()

    def url(self, database: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        wait_until(self._answers, "redis answers")

    def _answers(self) -> bool:
        with redis.Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class Web(Child):
    """A process that serves the product on a port."""

    def __init__(self, command: list[str], *, port: int, log: Path, env: dict[str, str]) -> None:
        super().__init__(command, log=log, env=env)
        self.port = port

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until it answers; fail with its own words when it has ended."""

        def answers() -> bool:
            assert self.is_running, f"it ended:\n{self.words[-4000:]}"
            try:
                return httpx.get(f"{self.url}/health/live/", timeout=2).is_success
            except httpx.TransportError:
                return False

        try:
            wait_until(answers, f"{self.url} answers")
        except AssertionError as late:
            if self.is_running:
                self.stop(signal.SIGABRT)  # it says where its threads are
            raise AssertionError(f"{late}\n{self.words[-8000:]}") from late


def environment(folder: Path, **keys: str) -> dict[str, str]:
    """Return an environment in which nothing of the tester's own settings is left."""
    kept = {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH"}
    return {
        **{key: value for key, value in os.environ.items() if key in kept},
        "DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "OMP_NUM_THREADS": "1",
        **keys,
    }


def embedded(folder: Path, *, port: int | None = None, **keys: str) -> Web:
    """Return `manage.py serve` on data of its own, not yet started."""
    port = port or free_port()
    env = environment(folder, PORT=str(port), **keys)
    command = [sys.executable, "manage.py", "serve"]
    return Web(command, port=port, log=folder.parent / f"{folder.name}-serve.log", env=env)


@dataclass(kw_only=True)
class Production:
    """PostgreSQL, both Redis, web processes, workers and the schedule, as docker/compose.yml has them."""

    folder: Path
    postgres: Postgres
    redis: Redis
    cache: Redis
    keys: dict[str, str] = field(default_factory=dict)  # of the environment, beside the usual
    webs: list[Web] = field(default_factory=list)
    work: dict[str, Child] = field(default_factory=dict)  # by their names in compose.yml

    @property
    def env(self) -> dict[str, str]:
        """Return the environment that all of its processes share."""
        usual = {
            "DJANGO_SETTINGS_MODULE": "inferencecloud.settings.prod",
            "SECRET_KEY": "for-the-servers-of-one-test-0123456789-abcdefghijklm",
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url(0),
            "CHANNEL_REDIS_URL": self.redis.url(1),
            "CACHE_REDIS_URL": self.cache.url(0),
            "ALLOWED_HOSTS": "127.0.0.1",
            "SITE_URL": "https://127.0.0.1",
            "SECURE_SSL_REDIRECT": "false",
            "LOG_LEVEL": "WARNING",
        }
        return environment(self.folder / "data", **(usual | self.keys))

    def manage(self, *words: str) -> str:
        """Run a management command in this environment; return what it printed."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def add_web(self) -> Web:
        """Start one more web process."""
        port = free_port()
        log = self.folder / f"web{len(self.webs)}.log"
        web = Web(topology.web_command(port), port=port, log=log, env=self.env)
        self.webs.append(web)
        web.start()
        return web

    def start_work(self) -> None:
        """Start the workers and the schedule; they take a few seconds until they answer."""
        for name in topology.WORK:
            command = topology.work_command(name, self.folder)
            self.work[name] = Child(command, log=self.folder / f"{name}.log", env=self.env)
            self.work[name].start()

    def end(self) -> None:
        """Kill whatever runs."""
        for child in (*self.webs, *self.work.values(), self.redis, self.cache, self.postgres):
            child.kill()


@cache
def collect_static() -> None:
    """Have the browser's files ready: without them production answers its pages with an error."""
    collect = "from inferencecloud.embedded import first_start; first_start.collect_static()"
    with temporary_folder() as folder:
        env = environment(folder, DJANGO_SETTINGS_MODULE="inferencecloud.settings.dev")
        command = [sys.executable, "manage.py", "shell", "--command", collect]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def production(*, webs: int = 2, worker: bool = False, **keys: str) -> Iterator[Production]:
    """Yield a migrated production set-up without anybody in it; `worker` stands for all that works."""
    with temporary_folder() as folder:
        (folder / "data").mkdir()
        redis, cache = (
            Redis(folder, name=name, flags=topology.store_flags(name)) for name in topology.STORES
        )
        postgres = Postgres(folder / "postgres")
        made = Production(folder=folder, postgres=postgres, redis=redis, cache=cache, keys=keys)
        try:
            for store in (postgres, redis, cache):
                store.start()
            made.manage("migrate", "--verbosity", "0")
            collect_static()
            if worker:
                made.start_work()
            for _ in range(webs):
                made.add_web()
            yield made
        finally:
            made.end()


@contextmanager
def postgres_and_redis() -> Iterator[tuple[Postgres, Redis]]:
    """Yield the two servers alone."""
    with temporary_folder() as folder:
        servers = Postgres(folder / "postgres"), Redis(folder)
        try:
            for server in servers:
                server.start()
            yield servers
        finally:
            for server in servers:
                server.kill()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that other accounts may enter (PostgreSQL runs under one), removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="inferencecloud-servers-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
