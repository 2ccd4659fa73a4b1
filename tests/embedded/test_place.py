"""A start that cannot succeed says why, and what to do."""

import os
import re
import socket
from pathlib import Path

import pytest

from inferencecloud.embedded import place
from inferencecloud.embedded.place import CannotServe
from tests.servers import free_port


def test_a_free_port_is_bound() -> None:
    port = free_port()

    with place.listening_socket("127.0.0.1", port) as bound:
        assert bound.getsockname() == ("127.0.0.1", port)


def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(CannotServe, match=rf"Port {port} is taken.*PORT={port + 1} make run"):
            place.listening_socket("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CannotServe, match=re.escape("Cannot listen on 203.0.113.7:")):
        place.listening_socket("203.0.113.7", free_port())


def test_a_number_that_is_no_port_is_refused() -> None:
    with pytest.raises(CannotServe, match="between 1 and 65535, got 70000"):
        place.listening_socket("127.0.0.1", 70000)


def test_the_words_for_a_reserved_port_name_another() -> None:
    refusal = PermissionError(13, "Permission denied")

    assert "PORT=8000 make run" in place._why_no_address(refusal, "127.0.0.1", 80)


def test_a_data_folder_is_made_and_held_until_let_go(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"

    with place.own_data_dir(data), pytest.raises(CannotServe, match="already runs on the data in"):
        place.own_data_dir(data)

    place.own_data_dir(data).close()


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(CannotServe, match=r"Cannot write to .*DATA_DIR="):
        place.own_data_dir(tmp_path / "file" / "data")


def test_a_data_folder_that_has_become_read_only_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, *_args: object, **_more: object) -> None:
        raise OSError(30, os.strerror(30))

    place.own_data_dir(tmp_path).close()
    monkeypatch.setattr(Path, "touch", refuse)  # root may write anywhere, so the disk must refuse

    with pytest.raises(CannotServe, match="Read-only file system"):
        place.own_data_dir(tmp_path)


def test_a_front_end_that_was_never_built_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match=r"not built \(core/app.css.*make setup"):
        place.built_front_end(tmp_path)


def test_a_complete_front_end_passes(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    for name in ("app.css", "shell.js", "icons.svg"):
        (tmp_path / "core" / name).touch()

    assert place.built_front_end(tmp_path) == tmp_path
