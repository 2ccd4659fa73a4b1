"""The browser's side of appending: nothing is forgotten, and nothing impossible is sent for ever."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent / "outgoing.mjs"


def test_an_update_above_the_limit_is_refused_here_and_the_others_are_sent():
    done = subprocess.run(["node", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
