"""How long set-up compiles the kernels, and what it does where there is no compiler."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inferencecloud.engine.kernels import build

ROOT = Path(__file__).resolve().parents[2]
_SET_UP = """
import sys; from pathlib import Path
from scripts import prepare
prepare.BUILD = Path(sys.argv[1])
prepare.kernels()
"""


def run() -> tuple[dict[str, float], str]:
    """Return seconds with and without a compiler, and what set-up says without one."""
    figures: dict[str, float] = {}
    if build.compiler() is not None:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            build.compile_to(Path(folder) / "kernels.so", scratch=Path(folder))
            figures["compiled_s"] = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _SET_UP, folder],
            cwd=ROOT, check=True, text=True, capture_output=True,
            env={**os.environ, "CXX": "/nonexistent"},
        )  # fmt: skip
        figures["without_compiler_s"] = time.perf_counter() - began
    return figures, (done.stdout + done.stderr).strip()
