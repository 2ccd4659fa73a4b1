"""Where the peers' environments and models stand. Standard library only: every peer imports it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(os.environ.get("ENGINE_PEERS", ROOT / "build" / "peers"))

SMOL, QWEN, STARTER = "smollm2-135m", "qwen2.5-0.5b", "starter"
MODELS = (SMOL, QWEN, STARTER)


def python_of(environment: str) -> Path:
    """Return the Python of an environment; transformers runs in the product's own."""
    folder = ROOT / ".venv" if environment == "product" else PEERS / environment
    return folder / "bin" / "python"


# Where ours reads what it computes in a precision.
OUR_FORMS = {"fp32": "hf", "int8": "ours-int8", "w4": "ours-int4"}


def model(name: str, form: str) -> Path:
    """Return where a model stands in a form: `hf`, `ours-int8`, `gguf-q8_0.gguf`, `openvino-int8`."""
    return PEERS / "models" / name / form
