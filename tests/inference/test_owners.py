"""Who is known to be gone."""

import os
import subprocess
import sys

from apps.inference import owners


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_this_very_process_is_there() -> None:
    assert owners.gone([owners.mine()]) == set()


def test_a_process_of_this_machine_that_has_ended_is_gone() -> None:
    name = owners.mine().replace(f":{os.getpid()}:", f":{ended_process()}:")
    assert owners.gone([name, owners.mine()]) == {name}


def test_nobody_knows_about_other_machines() -> None:
    assert owners.gone([f"elsewhere:{ended_process()}:abc", "w1"]) == set()


def test_each_stage_has_a_name_of_its_own() -> None:
    assert owners.mine() != owners.mine()
