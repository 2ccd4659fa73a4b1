"""Whether a model fits into the memory that is free now, beside what is loaded."""

from pathlib import Path

from django.conf import settings

from apps.catalog.models import Variant
from inferencecloud.artifacts.intake import PACKED_FILE

MARGIN_BYTES = 256 * 1024 * 1024  # for reading it, and for everything else of the process
_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def needed_bytes(variant: Variant) -> int:
    """Return about how much the variant takes once it is loaded on a CPU."""
    if variant.root == Variant.Root.REMOTE:
        return 0
    is_packed = PACKED_FILE in variant.manifest.get("files", {})
    parameters = int(variant.manifest.get("parameters", 0))
    weights = variant.size_bytes if is_packed else parameters * 4  # fp32 on a CPU
    texts = min(settings.ENGINE_KV_MEMORY_MB * 1024 * 1024, MARGIN_BYTES)  # of one short text
    return weights + texts + MARGIN_BYTES


def free_bytes() -> int | None:
    """Return how much is free for this process; None where the system does not tell."""
    known = [one for one in (_of_machine(), _of_container()) if one is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(found[0][1]) * 1024 if found else None


def _of_container() -> int | None:
    """Return what the container's limit leaves; files that it has read can be dropped again."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        cached = [
            int(line.split()[1])
            for line in (_CGROUP / "memory.stat").read_text().splitlines()
            if line.startswith("inactive_file ")
        ]
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(0, int(limit) - used + sum(cached))
