"""A step that does not end is seen while it goes on, and told once, with the place where it stands."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from inferencecloud.engine.watchdog import Watchdog

PATIENCE_S = 5.0


def hang_about(until: threading.Event) -> None:
    until.wait(PATIENCE_S)


def wait_for_a_word(caplog: pytest.LogCaptureFixture) -> None:
    until = time.monotonic() + PATIENCE_S
    while not caplog.messages and time.monotonic() < until:
        time.sleep(0.01)


def test_a_step_that_hangs_is_told_once_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    watchdog, release = Watchdog(stuck_after_s=0.05), threading.Event()

    def work() -> None:
        with watchdog.step("starter"):
            hang_about(release)

    with caplog.at_level(logging.ERROR):
        worker = threading.Thread(target=work)
        worker.start()
        wait_for_a_word(caplog)
        told = watchdog.is_stuck
        time.sleep(0.2)  # several looks more
        release.set()
        worker.join()
    watchdog.close()

    assert told
    (message,) = caplog.messages
    assert "A step of starter has taken more than 0.05 s" in message
    assert "hang_about" in message
    assert not watchdog.is_stuck
    assert watchdog.last_s > 0.2


def test_the_next_step_that_hangs_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(stuck_after_s=0.05)

    with caplog.at_level(logging.ERROR):
        for model in ("first", "second"):
            with watchdog.step(model):
                time.sleep(0.25)
    watchdog.close()

    assert [told.splitlines()[0] for told in caplog.messages] == [
        "A step of first has taken more than 0.05 s:",
        "A step of second has taken more than 0.05 s:",
    ]


def test_a_quick_step_and_one_that_fails_leave_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watchdog = Watchdog(stuck_after_s=0.05)

    with caplog.at_level(logging.ERROR):
        with pytest.raises(ZeroDivisionError), watchdog.step("starter"):
            raise ZeroDivisionError
        time.sleep(0.2)  # idle, which is not stuck
    watchdog.close()

    assert not watchdog.is_stuck
    assert caplog.messages == []
