"""People write while a backup is made: what was acknowledged before it began is in what is restored."""

import asyncio
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests import servers, visitors
from tests.faults.test_durability import PLAN, newcomers, writers_on
from tests.servers import ROOT, Production, Web
from tests.visitors import Writer

pytestmark = pytest.mark.timeout(240)
# What a restore itself changes: epochs, the event that says so, and the row of the backup.
MOVED = {"notebooks_document", "organizations_auditevent", "operations_backup"}


def manage(env: dict[str, str], *words: str) -> str:
    """Run a management command; return what it printed."""
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def back_up_while_typing(
    writers: Sequence[Writer], back_up: Callable[[], object]
) -> set[str]:
    """Return the tokens that were acknowledged when the backup began; all go on typing after it."""
    enough = asyncio.Event()
    typing = [asyncio.create_task(writer.write_until(enough)) for writer in writers]
    await asyncio.sleep(3)
    before = set().union(*(writer.acknowledged for writer in writers))
    await asyncio.to_thread(back_up)
    await asyncio.sleep(0.5)
    after = set().union(*(writer.acknowledged for writer in writers))
    enough.set()
    await asyncio.wait_for(asyncio.gather(*typing), 30)
    assert len(before) >= 20, "hardly anything was typed"
    assert len(after) > len(before), "nobody could write during the backup"
    assert all(writer.reconnects == 0 for writer in writers)
    return before


def hashes(path: Path) -> dict[str, tuple[int, str]]:
    with zipfile.ZipFile(path) as archive:
        tables = json.loads(archive.read("manifest.json"))["tables"]
    return {
        one["table"]: (one["rows"], one["sha256"]) for one in tables if one["table"] not in MOVED
    }


async def assert_restored(
    before: set[str], writers: Sequence[Writer], web: Web, cookie: str
) -> None:
    """Read the restored notebook anew, and greet it with a copy from before."""
    [reader] = newcomers(
        [Writer(name="w", urls=[web.url], notebook=writers[0].notebook, cookie=cookie, seed=0)]
    )
    tokens = re.findall(r"\[\w+-\d+\]", await reader.read())
    assert len(tokens) == len(set(tokens))
    assert before - set(tokens) == set()
    stale = writers[0]
    async with visitors.open_socket(web.url, stale.notebook, cookie) as socket:
        hello = {"type": "hello", "schema": visitors.SCHEMA_VERSION, "client": 1}
        await socket.send(json.dumps({**hello, "epoch": stale._epoch, "seq": stale._seq}))
        said = json.loads(await asyncio.wait_for(socket.recv(), 10))
    assert said["type"] == "diverged"  # its newer words become a fork, and are not merged wrongly


async def test_one_process_is_backed_up_and_restored_into_a_fresh_place() -> None:
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data")
        fresh = servers.embedded(folder / "fresh", DEMO="0")
        try:
            web.start()
            data = Path(web.env["DATA_DIR"])
            notebook = visitors.notebooks_by_title(data)[PLAN]
            writers = writers_on([web.url], data, notebook, seed=1)
            one, two = folder / "one.backup", folder / "two.backup"
            before = await back_up_while_typing(
                writers, lambda: manage(web.env, "backup", "--out", str(one))
            )
            said = manage(fresh.env, "restore", "--from", str(one))
            assert "every hash is as written" in said
            manage(fresh.env, "backup", "--out", str(two))
            assert hashes(two) == hashes(one)
            fresh.start()
            mara = visitors.demo_accounts(data)["mara"]
            cookie = visitors.sign_in(fresh.url, mara)
            await assert_restored(before, writers, fresh, cookie)
        finally:
            web.kill()
            fresh.kill()


async def test_production_is_backed_up_and_restored_into_a_fresh_place() -> None:
    with servers.production(webs=2, worker=True) as made:
        made.manage("seed_demo")
        data = made.folder / "data"
        notebook = visitors.notebook_of_production(made, PLAN)
        writers = writers_on([web.url for web in made.webs], data, notebook, seed=2)
        one, two = made.folder / "one.backup", made.folder / "two.backup"
        before = await back_up_while_typing(
            writers, lambda: made.manage("backup", "--out", str(one))
        )
        with servers.production(webs=0) as fresh:
            assert "every hash is as written" in fresh.manage("restore", "--from", str(one))
            fresh.manage("backup", "--out", str(two))
            assert hashes(two) == hashes(one)
            web = fresh.add_web()
            cookie = visitors.sign_in(web.url, visitors.demo_accounts(data)["mara"])
            await assert_restored(before, writers, web, cookie)
            refusal = refused(fresh, "restore", "--from", str(one))
            assert "people in it" in refusal


@pytest.mark.prove
async def test_what_one_process_kept_is_restored_to_production() -> None:
    with servers.temporary_folder() as folder, servers.production(webs=0) as made:
        env = servers.environment(folder / "data")
        manage(env, "migrate", "--verbosity", "0")
        manage(env, "seed_demo")
        one, two = folder / "one.backup", folder / "two.backup"
        manage(env, "backup", "--out", str(one))
        made.manage("restore", "--from", str(one))
        made.manage("backup", "--out", str(two))
        assert hashes(two) == hashes(one)


def refused(made: Production, *words: str) -> str:
    """Run a command that is to fail; return what it said."""
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=made.env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    return done.stderr
