"""The threads of the kernels: every item is worked on once, whoever calls, whatever fails."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from inferencecloud.engine.kernels import build, pack_int8

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="no C++ compiler")
STRESS = Path(__file__).with_name("team_stress.cpp")


def _compiled(folder: Path, *flags: str) -> Path:
    program = folder / "stress"
    sources = [str(STRESS), str(build.SOURCES / "team.cpp")]
    options = ["-std=c++20", "-O1", "-g", "-Wall", "-pthread", f"-I{build.SOURCES}"]
    command = [str(build.compiler()), *options, *flags, *sources, "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def test_callers_failures_and_forks(tmp_path: Path) -> None:
    subprocess.run([str(_compiled(tmp_path)), "20000"], check=True, timeout=60)


def test_no_race(tmp_path: Path) -> None:
    """Gcc's sanitizer of threads finds none (its older versions take no random addresses)."""
    program = _compiled(tmp_path, "-fsanitize=thread")
    command = ["setarch", "-R", str(program), "2000", "no-fork"]
    environ = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert found.returncode == 0, found.stderr


def test_several_threads_of_python_get_the_same_bits() -> None:
    layer = pack_int8(torch.randn(512, 64, generator=torch.Generator().manual_seed(5)))
    x = torch.randn(40, 64, generator=torch.Generator().manual_seed(6))
    wanted = layer(x)
    with ThreadPoolExecutor(4, initializer=torch.set_num_threads, initargs=(2,)) as pool:
        made = list(pool.map(lambda _: layer(x), range(200)))
    assert all(torch.equal(each, wanted) for each in made)
