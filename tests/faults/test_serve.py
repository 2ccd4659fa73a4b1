"""`manage.py serve` as a person meets it: first start, second start, and an end that is clean."""

import asyncio
import re
import signal
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import servers, visitors

END_WITHIN_S = 10


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with servers.temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def serving(place: Path) -> Iterator[servers.Web]:
    """A running instance after its first start, with the demo."""
    web = servers.embedded(place / "data")
    web.start()
    yield web
    web.kill()


def test_the_first_start_prints_its_address_and_the_accounts_once(serving: servers.Web) -> None:
    accounts = visitors.demo_accounts(Path(serving.env["DATA_DIR"]))

    assert serving.words.count(serving.url) == 1
    assert set(accounts) == {"mara", "tomas", "ines", "jonas", "noor"}
    for account in accounts.values():
        assert serving.words.count(account.password) == 1


def test_the_accounts_are_kept_where_only_the_owner_reads_them(serving: servers.Web) -> None:
    data = Path(serving.env["DATA_DIR"])

    for name in ("demo-accounts.txt", "secret_key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600


def test_the_demo_has_four_notebooks(serving: servers.Web) -> None:
    assert len(visitors.notebooks_by_title(Path(serving.env["DATA_DIR"]))) == 4


def test_the_database_appends_durably(serving: servers.Web) -> None:
    database = Path(serving.env["DATA_DIR"]) / "inferencecloud.sqlite3"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_static_files_may_be_kept_for_ever_because_their_names_change(serving: servers.Web) -> None:
    page = httpx.get(f"{serving.url}/accounts/login/").text
    sheet = re.search(r'href="(/static/core/app\.[0-9a-f]{12}\.css)"', page)
    assert sheet

    answer = httpx.get(serving.url + sheet[1], headers={"Accept-Encoding": "gzip"})

    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"


def test_a_second_process_on_the_same_data_is_refused(serving: servers.Web) -> None:
    second = servers.embedded(Path(serving.env["DATA_DIR"]))
    servers.Child.start(second)

    assert second.process is not None
    assert second.process.wait(timeout=30) == 1
    assert "already runs on the data in" in second.words


def test_a_taken_port_is_said_in_words(serving: servers.Web, tmp_path: Path) -> None:
    second = servers.embedded(tmp_path / "other", port=serving.port)
    servers.Child.start(second)

    assert second.process is not None
    assert second.process.wait(timeout=30) == 1
    assert f"Port {serving.port} is taken" in second.words
    assert "Traceback" not in second.words


async def test_work_is_done_in_the_background(serving: servers.Web) -> None:
    """A document of many updates is compacted, which only a task does."""
    data = Path(serving.env["DATA_DIR"])
    cookie = visitors.sign_in(serving.url, visitors.demo_accounts(data)["mara"])
    notebook = visitors.notebooks_by_title(data)["Finch One: launch plan"]
    writer = visitors.Writer(
        name="a", urls=[serving.url], notebook=notebook, cookie=cookie, seed=5, pause_s=0.005
    )
    enough = asyncio.Event()
    writing = asyncio.create_task(writer.write_until(enough))
    while len(writer.acknowledged) < 210:
        await asyncio.sleep(0.05)
    enough.set()
    await writing

    def compacted() -> bool:
        with sqlite3.connect(f"file:{data / 'inferencecloud.sqlite3'}?mode=ro", uri=True) as rows:
            return bool(rows.execute("SELECT count(*) FROM notebooks_docsnapshot").fetchone()[0])

    await asyncio.to_thread(servers.wait_until, compacted, "a snapshot", 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_within_seconds_with_a_socket_open_and_starts_again_with_its_data(
    serving: servers.Web, number: int
) -> None:
    data = Path(serving.env["DATA_DIR"])
    notebooks = visitors.notebooks_by_title(data)
    account = visitors.demo_accounts(data)["mara"]
    cookie = visitors.sign_in(serving.url, account)
    writer = visitors.Writer(
        name="a", urls=[serving.url], notebook=next(iter(notebooks.values())), cookie=cookie, seed=1
    )
    before = await writer.read()

    async with visitors.open_socket(serving.url, writer.notebook, cookie) as socket:
        await writer._greet(socket)
        begun = time.monotonic()
        status = serving.stop(number, within_s=END_WITHIN_S)
        assert status == 0, serving.words[-2000:]
        assert time.monotonic() - begun < END_WITHIN_S
    assert "Traceback" not in serving.words

    begun = time.monotonic()
    serving.start()
    httpx.get(f"{serving.url}/accounts/login/").raise_for_status()
    assert time.monotonic() - begun < 10
    assert visitors.notebooks_by_title(data) == notebooks
    assert await writer.read() == before  # the session is valid still, and so is the text


def test_without_the_demo_it_starts_empty_with_a_page_for_the_owner(place: Path) -> None:
    web = servers.embedded(place / "empty", DEMO="0")
    web.start()
    try:
        answer = httpx.get(web.url, follow_redirects=True)
        assert answer.url.path == "/welcome/"
        assert visitors.notebooks_by_title(place / "empty") == {}
        assert not (place / "empty" / "demo-accounts.txt").exists()
    finally:
        web.kill()
