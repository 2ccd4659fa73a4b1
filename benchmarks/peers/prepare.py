"""Make the peers' environments and models: `python benchmarks/peers/prepare.py [--only NAME ...]`.

Everything stands in build/peers (or in the folder that ENGINE_PEERS names): about 12 GB. Each step leaves a
stamp with what it was made from, so a second call costs seconds and an interrupted one goes on. Nothing of it
enters the product's environment (`make setup`), in which the models are written and transformers runs.

On two busy cores the whole took 70 minutes, of which llama.cpp's compiler took 25.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.peers.places import MODELS, PEERS, QWEN, model, python_of  # noqa: E402

TORCH = "torch==2.13.0"  # first and alone: beside others pip may not take its small build
OPENVINO = "openvino==2026.4.1"
LLAMA = "llama-cpp-python==0.3.36"
LLAMA_FLAGS = (
    "-DGGML_NATIVE=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF "
    "-DLLAMA_CURL=OFF -DLLAVA_BUILD=OFF"
)
PACKAGES = {
    "openvino": (
        "transformers==5.23.0",
        OPENVINO,
        "openvino-genai==2026.4.1.0",
        "openvino-tokenizers==2026.4.1.0",
        "ctranslate2==4.8.5",
        "onnxruntime==1.32.0",
    ),
    # In an environment of its own: it takes an older transformers.
    "export": (
        "optimum-intel==2.2.0",
        TORCH,
        OPENVINO,
        "openvino-tokenizers==2026.4.1.0",
        "nncf==3.4.0",
    ),
}
OUR_LAYOUT = (
    ROOT / "inferencecloud" / "artifacts" / "packed.py",
    *(ROOT / "inferencecloud" / "engine" / "kernels").glob("[alq]*.py"),
)
WRITTEN = "1"  # raise it with what make_models or make_gguf write
# Of the larger model only what the arithmetic is measured with.
OPENVINO_FORMS = {"fp32": (), "int8": (), "int4": ("--group-size", "64")}
SMALLER_GROUPS = {("starter", "int4"): ("--group-size", "32")}  # 864 inputs are no multiple of 64
GGUF_FORMS = ("f32", "q8_0", "q4_0")


class StepFailed(Exception):
    """A step of the preparation did not succeed."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to make once: what it is, what it is made from, and how."""

    name: str
    recipe: str
    make: Callable[[], None]

    @property
    def stamp(self) -> Path:
        """Return the file that says that it was made."""
        return PEERS / "stamps" / self.name.replace("/", "--")

    def do(self) -> None:
        """Make it unless it is there."""
        digest = hashlib.sha256(self.recipe.encode()).hexdigest()
        if self.stamp.is_file() and self.stamp.read_text() == digest:
            print(f"{self.name}: there", flush=True)
            return
        self.stamp.unlink(missing_ok=True)
        with announced(self.name):
            self.make()
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(digest)


@contextmanager
def announced(name: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{name}: making ...", flush=True)
    begun = time.monotonic()
    yield
    print(f"{name}: made in {time.monotonic() - begun:.0f} s", flush=True)


def run(step: str, *command: str | Path, **environment: str) -> None:
    """Run a command quietly; its words stand in a log, whose end is shown when it fails."""
    log = PEERS / "logs" / f"{step.replace('/', '--')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as words:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise StepFailed(f"{step} ended with {done.returncode}; the whole stands in {log}\n{end}")


def pip(environment: str, *words: str | Path, **settings: str) -> None:
    """Run pip in an environment."""
    run(environment, python_of(environment), "-m", "pip", *words, **settings)


def make_environment(name: str) -> None:
    """Make a virtual environment if there is none that runs."""
    python = python_of(name)
    if not python.exists():
        python.parent.parent.mkdir(parents=True, exist_ok=True)
        run(name, sys.executable, "-m", "venv", python.parent.parent)


def install(name: str) -> None:
    """Install a peer's packages."""
    make_environment(name)
    pip(name, "install", TORCH)
    pip(name, "install", *PACKAGES[name])
    if name == "export":  # came along, for another build of torch, and is not needed
        pip(name, "uninstall", "--yes", "torchvision")


def install_llama() -> None:
    """Compile llama.cpp with its Python binding, once, and install it."""
    make_environment("llama")
    wheels = PEERS / "wheels"
    if not list(wheels.glob("llama_cpp_python-*.whl")):
        cores = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(len(os.sched_getaffinity(0))))
        settings = {"CMAKE_ARGS": LLAMA_FLAGS, "CMAKE_BUILD_PARALLEL_LEVEL": cores}
        pip("llama", "wheel", "--no-deps", "--wheel-dir", wheels, LLAMA, **settings)
    (wheel,) = wheels.glob("llama_cpp_python-*.whl")
    pip("llama", "install", TORCH)  # reads bfloat16 out of safetensors
    pip("llama", "install", wheel, "gguf==0.19.0", "safetensors")


def written(name: str) -> Callable[[], None]:
    """Return what writes a model in the Hugging Face layout."""

    def make() -> None:
        module = ("-m", "benchmarks.peers.make_models")
        run(f"{name}/hf", python_of("product"), *module, name)

    return make


def options_of(name: str, form: str) -> tuple[str, ...]:
    """Return how OpenVINO's export is told to round a model."""
    return SMALLER_GROUPS.get((name, form), OPENVINO_FORMS[form])


def exported(name: str, form: str) -> Callable[[], None]:
    """Return what exports a model to OpenVINO."""

    def make() -> None:
        target = model(name, f"openvino-{form}")
        shutil.rmtree(target, ignore_errors=True)
        command = python_of("export").with_name("optimum-cli")
        task = ("--task", "text-generation-with-past", "--weight-format", form)
        options = options_of(name, form)
        words = ("export", "openvino", "-m", model(name, "hf"), *task, *options)
        run(f"{name}/openvino-{form}", command, *words, target)

    return make


def converted(name: str) -> Callable[[], None]:
    """Return what converts a model to CTranslate2."""

    def make() -> None:
        command = python_of("openvino").with_name("ct2-transformers-converter")
        target = model(name, "ctranslate2-int8")
        words = ("--model", model(name, "hf"), "--output_dir", target, "--force")
        run(f"{name}/ctranslate2-int8", command, *words, "--quantization", "int8")
        # It must know an end, or it does not load; what is measured asks for answers of a fixed length.
        config = json.loads((target / "config.json").read_text())
        config["eos_token"] = config["unk_token"]
        (target / "config.json").write_text(json.dumps(config, indent=2))

    return make


def packed(name: str, bits: int) -> Callable[[], None]:
    """Return what makes our own artifact of fewer bits."""

    def make() -> None:
        target = model(name, f"ours-int{bits}")
        shutil.rmtree(target, ignore_errors=True)
        command = (python_of("product"), "manage.py", "quantize", model(name, "hf"), target)
        settings = {"DJANGO_SETTINGS_MODULE": "inferencecloud.settings.dev"}
        run(f"{name}/ours-int{bits}", *command, "--bits", str(bits), **settings)

    return make


def quantized(name: str) -> Callable[[], None]:
    """Return what converts a model to GGUF and quantizes it with llama.cpp."""

    def make() -> None:
        module = ("-m", "benchmarks.peers.make_gguf")
        forms = GGUF_FORMS[1:] if name == QWEN else GGUF_FORMS  # never measured whole
        run(f"{name}/gguf", python_of("llama"), *module, name, *forms)

    return make


def steps() -> Iterator[Step]:
    """Yield everything that there is to make, in order."""
    for name, wanted in PACKAGES.items():
        yield Step(name=name, recipe=f"{TORCH} {wanted}", make=lambda name=name: install(name))
    yield Step(name="llama", recipe=f"{LLAMA} {LLAMA_FLAGS}", make=install_llama)
    for name in MODELS:
        yield Step(name=f"{name}/hf", recipe=WRITTEN, make=written(name))
    layout = "".join(path.read_text() for path in OUR_LAYOUT)
    for name in MODELS:
        for bits in (8, 4):
            make = packed(name, bits)
            yield Step(name=f"{name}/ours-int{bits}", recipe=WRITTEN + layout, make=make)
    for name in MODELS:
        for form in OPENVINO_FORMS:
            if (name, form) == (QWEN, "fp32"):
                continue  # never measured
            recipe = f"{WRITTEN} {PACKAGES['export']} {options_of(name, form)}"
            make = exported(name, form)
            yield Step(name=f"{name}/openvino-{form}", recipe=recipe, make=make)
        recipe = f"{WRITTEN} {PACKAGES['openvino']}"
        yield Step(name=f"{name}/ctranslate2-int8", recipe=recipe, make=converted(name))
        yield Step(name=f"{name}/gguf", recipe=f"{WRITTEN} {LLAMA}", make=quantized(name))


def main() -> None:
    """Do every step, or those whose names begin so; the last line says what failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="steps that begin so")
    chosen = parser.parse_args().only
    failed = []
    for step in steps():
        if chosen and not step.name.startswith(tuple(chosen)):
            continue
        try:
            step.do()
        except StepFailed as problem:  # the others may still be made; a failure stays one
            print(problem, flush=True)
            failed.append(step.name)
    if failed:
        sys.exit(f"not made: {', '.join(failed)}")


if __name__ == "__main__":
    main()
