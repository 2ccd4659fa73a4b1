"""What processes take of the machine, with the processes that they have started."""

import os
from pathlib import Path

PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_of(parts: dict[str, int]) -> dict[str, float]:
    """Return the processor time of each part so far, in seconds; ended children count for the parent."""
    return {
        name: sum(_times(one, have_ended=one == pid) for one in family(pid))
        for name, pid in parts.items()
    }


def memory_of(parts: dict[str, int]) -> dict[str, float]:
    """Return the memory of each part in MB; what processes share is divided among them."""
    return {
        name: round(sum(_pss_kb(one) for one in family(pid)) / 1024, 1)
        for name, pid in parts.items()
    }


def family(pid: int) -> list[int]:
    """Return the process and all that stem from it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(path)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _times(pid: int, *, have_ended: bool) -> float:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    wanted = fields[11:15] if have_ended else fields[11:13]
    return sum(map(int, wanted)) / PER_SECOND


def _fields(path: Path) -> list[str]:
    try:
        return path.read_text().rsplit(") ", 1)[1].split()
    except OSError:  # it has just ended
        return []


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
