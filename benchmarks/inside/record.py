"""What is kept beside figures: the commit that was measured, and the machine."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def commit() -> str:
    """Return the commit of the checkout; empty where there is none."""
    asked = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(asked, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False)
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """Return what the figures are measured on, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "processor": names[0] if names else platform.machine(),
        "load_average": os.getloadavg()[0],
    }
