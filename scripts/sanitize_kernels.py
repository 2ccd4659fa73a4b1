"""Run the kernels' tests with every access to memory and every overflow watched (make sanitize).

Compiles them anew with gcc's sanitizers of addresses and of undefined behaviour; the first finding ends it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from inferencecloud.engine.kernels import build

FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-O1",
)
TESTS = [
    f"tests/engine/kernels/test_{name}.py"
    for name in ("attention", "pages", "linear", "dense", "low_rank", "layer", "team")
]
RUN = """
import sys
from pathlib import Path
import pytest
from inferencecloud.engine.kernels import build
build.FOLDER = Path({folder!r})
from inferencecloud.engine.kernels import available
assert available().is_native
sys.exit(pytest.main(["-q", "--timeout", "0", "-k", "not torch", *sys.argv[1:]]))
"""


def main() -> int:
    """Compile, run, and return the exit status."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build.compile_to(folder / build.library().name, scratch=folder, flags=FLAGS)
        runtimes = [_runtime("libasan.so"), _runtime("libubsan.so"), _runtime("libstdc++.so")]
        environ = {
            **os.environ,
            "LD_PRELOAD": ":".join(runtimes),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python frees little at its end
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [sys.executable, "-c", RUN.format(folder=name), *TESTS, *sys.argv[1:]]
        return subprocess.run(command, env=environ, check=False).returncode


def _runtime(library: str) -> str:
    command = [build.compiler() or "g++", f"-print-file-name={library}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
