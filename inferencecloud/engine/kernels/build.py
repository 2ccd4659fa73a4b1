"""Compile the kernels: `python inferencecloud/engine/kernels/build.py`.

The name of a library says what it was made from: our sources, torch's version, the machine and the flags.
So a library that fits is found by its name, and one made for another torch is never loaded. Compiling takes a
C++ compiler, some seconds, and nothing of Python's headers.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
FOLDER = SOURCES.parents[2] / "build" / "kernels"

_FLAGS = ("-std=c++20", "-O3", "-g0", "-fPIC", "-fno-math-errno", "-Wall", "-Wno-psabi")
# The arithmetic is compiled once for each instruction path. In linear.cpp nothing is fused, so that all paths
# round alike.
_ARITHMETIC = {
    "attention": "-ffp-contract=fast",
    "dense": "-ffp-contract=fast",
    "linear": "-ffp-contract=off",
}
_AVX512 = "-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mprefer-vector-width=512"
_PATHS = {
    "amx": f"{_AVX512} -mamx-tile -mamx-int8",
    "avx512": _AVX512,
    "avx_vnni": "-mavx2 -mfma -mf16c -mavxvnni",
    "avx2": "-mavx2 -mfma -mf16c",
    # What avx_vnni does, for machines that have its instruction with AVX-512's encoding only.
    "vnni256": "-mavx2 -mfma -mf16c -mavx512f -mavx512vl -mavx512vnni -DNARROW",
    "portable": "",
}
_LINEAR_ONLY = {"amx"}  # the rest is computed as on avx512
_PATHS_OF_MACHINE = {"x86_64": tuple(_PATHS), "AMD64": tuple(_PATHS)}


class BuildFailed(Exception):
    """The compiler refused; the message is what it said."""


def library() -> Path:
    """Return where the library that fits these sources and this torch stands, or would stand."""
    digest = hashlib.sha256(
        f"{version('torch')} {platform.machine()} {_FLAGS} {_ARITHMETIC} {_PATHS}".encode()
    )
    for path in _sources():
        digest.update(path.name.encode() + path.read_bytes())
    return FOLDER / f"kernels-{digest.hexdigest()[:16]}.so"


def compiler() -> str | None:
    """Return the C++ compiler: that of CXX, or g++; None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


def build() -> Path:
    """Compile what is not compiled yet, and remove what fits no more.

    Raises:
        BuildFailed: There is no compiler, or it refused.
    """
    target = library()
    if target.is_file():
        return target
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        compile_to(Path(folder) / target.name, scratch=Path(folder))
        (Path(folder) / target.name).replace(target)
    for old in FOLDER.glob("kernels-*.so"):
        if old != target:
            old.unlink()
    return target


def compile_to(target: Path, *, scratch: Path, flags: tuple[str, ...] = ()) -> None:
    """Compile and link the library; `flags` are added to ours, `scratch` takes the parts.

    Raises:
        BuildFailed: There is no compiler, or it refused.
    """
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise BuildFailed("Wanted torch's headers, but torch is not installed.")
    torch = Path(spec.origin).parent
    paths = _PATHS_OF_MACHINE.get(platform.machine(), ("portable",))
    commands = {
        part: [f"-I{torch / 'include'}", str(SOURCES / f"{part}.cpp")]
        for part in ("operators", "adapters", "step", "decoder", "team")
    }
    for path, (part, rounding) in product(paths, _ARITHMETIC.items()):
        if path in _LINEAR_ONLY and part != "linear":
            continue
        name = f"{part}_{path}"
        source = str(SOURCES / f"{part}.cpp")
        commands[name] = [*_PATHS[path].split(), rounding, f"-DKERNELS={name}", source]
    parts = [str(scratch / f"{name}.o") for name in commands]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(_compile, [*_FLAGS, *flags, *command, "-c", "-o", part])
            for command, part in zip(commands.values(), parts, strict=True)
        ]
    for job in jobs:
        job.result()
    libraries = [f"-L{torch / 'lib'}", "-ltorch_cpu", "-lc10"]
    _compile(["-shared", "-pthread", *flags, *parts, *libraries, "-o", str(target)])


def _sources() -> list[Path]:
    return sorted(path for path in SOURCES.iterdir() if path.suffix in {".cpp", ".h"})


def _compile(arguments: list[str]) -> None:
    command = compiler()
    if command is None:
        raise BuildFailed(
            "Wanted a C++ compiler (g++, or the one that CXX names), but there is none."
        )
    done = subprocess.run(  # noqa: S603  (our own arguments)
        [command, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(f"{command} {' '.join(arguments)}\n{done.stderr[-4000:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{build()}\n")
    except BuildFailed as refusal:
        sys.exit(str(refusal))
