"""The library is built at set-up, and whatever is wrong with it, torch computes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inferencecloud.engine.kernels import InstructionPathUnknown, available, build, use_path
from inferencecloud.engine.kernels.build import BuildFailed, compiler, library

COMPUTE = """
import logging, torch
logging.basicConfig(level="WARNING")
from inferencecloud.engine.kernels import available, build, pack_int8
{change}
layer = pack_int8(torch.eye(8) * 2)
print(available().path, layer(torch.eye(8)).trace().round().item())
"""


def _compute(change: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMPUTE.format(change=change)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_set_up_compiled_the_kernels() -> None:
    if compiler() is None and "CI" not in os.environ:
        pytest.skip("there is no compiler")
    assert available().is_native
    assert available().why_not == ""


def test_the_environment_chooses_where_to_compute() -> None:
    for path in available().paths:
        assert _compute(ENGINE_KERNELS=path).stdout == f"{path} 16.0\n"


def test_a_path_that_the_machine_lacks_is_refused() -> None:
    with pytest.raises(InstructionPathUnknown, match="got abacus"):
        use_path("abacus")
    done = _compute(ENGINE_KERNELS="abacus")
    assert done.returncode != 0
    assert "InstructionPathUnknown" in done.stderr


def test_without_a_library_torch_computes_and_says_why(tmp_path: Path) -> None:
    change = f"from pathlib import Path; build.FOLDER = Path({str(tmp_path)!r})"
    done = _compute(change)
    assert done.stdout == "torch 16.0\n"
    assert "computed by torch alone, which is slower: there is no kernels-" in done.stderr


def test_a_library_for_another_torch_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "kernels-0123456789abcdef.so").write_bytes(b"")
    change = f"from pathlib import Path; build.FOLDER = Path({str(tmp_path)!r})"
    done = _compute(change)
    assert done.stdout == "torch 16.0\n"
    assert "kernels-0123456789abcdef.so was made for other sources, or another torch" in done.stderr


def test_a_library_that_does_not_load_leaves_torch(tmp_path: Path) -> None:
    (tmp_path / library().name).write_bytes(b"no library")
    change = f"from pathlib import Path; build.FOLDER = Path({str(tmp_path)!r})"
    done = _compute(change)
    assert done.stdout == "torch 16.0\n"
    assert "does not load" in done.stderr


def test_the_name_changes_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    before = library()
    monkeypatch.setattr(build, "version", lambda _name: "9.9.9")
    assert library() != before


def test_without_a_compiler_building_fails_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    with pytest.raises(BuildFailed, match="there is none"):
        build.build()


def _compiler(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the compiler."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    monkeypatch.setattr(build, "FOLDER", folder / "kernels")


def test_what_the_compiler_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _compiler(tmp_path, "echo 'no such flag' >&2; exit 1", monkeypatch)
    with pytest.raises(BuildFailed, match="no such flag"):
        build.build()
    assert list(build.FOLDER.iterdir()) == []


def test_building_compiles_once_and_removes_what_fits_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _compiler(
        tmp_path, f'for last; do :; done; echo made > "$last"; echo >> {tmp_path}/runs', monkeypatch
    )
    build.FOLDER.mkdir()
    (build.FOLDER / "kernels-0123456789abcdef.so").write_bytes(b"")
    made = build.build()
    runs = (tmp_path / "runs").read_text()
    assert list(build.FOLDER.iterdir()) == [made]
    assert build.build() == made
    assert (tmp_path / "runs").read_text() == runs
