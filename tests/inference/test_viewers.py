"""Viewers who come, go, miss events and come again: in the end each has the text, byte by byte."""

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection

from apps.inference import events, execution, selectors
from apps.inference.models import Output, Run
from apps.inference.specs import Params
from apps.organizations.models import Organization
from tests.inference import listening
from tests.inference.builders import chain, start
from tests.inference.conftest import Play

Sent = Callable[[], list[dict[str, Any]]]


@dataclass
class Viewer:
    """Follows the rule of apps.inference.events, as the page's script does."""

    have: dict[str, str] = field(default_factory=dict)  # by step
    kept: list[dict[str, Any]] = field(default_factory=list)
    cursor: int | None = None  # None: not connected
    disconnects: int = 0
    snapshots: int = 0

    def connect(self, run: Run) -> None:
        """Listen first, then ask what was said before."""
        self.cursor = len(listening.events)
        self.kept.clear()
        self.ask(run)

    def ask(self, run: Run) -> None:
        self.snapshots += 1
        for shown in selectors.live_state(run.subject):
            for step in shown["steps"]:
                for text in step["texts"]:
                    if len(text["text"]) >= len(self.have.get(step["step"], "")):
                        self.have[step["step"]] = text["text"]
        kept, self.kept = self.kept, []
        for delta in kept:
            self.take(delta)

    def take(self, delta: dict[str, Any]) -> None:
        have = self.have.get(delta["step"], "")
        if delta["seq"] > len(have):
            self.kept.append(delta)
        else:
            self.have[delta["step"]] = have[: delta["seq"]] + delta["text"]

    def follow(self, chance: random.Random, run: Run) -> None:
        if self.cursor is None:
            if chance.random() < 0.5:
                self.connect(run)
            return
        arrived = listening.events[self.cursor :]
        self.cursor += len(arrived)
        for event in arrived:
            is_lost = chance.random() < 0.02  # the channel layer promises nothing
            if event["type"] == "inference.delta" and not is_lost:
                self.take(event)
        if self.kept:
            self.ask(run)
        if chance.random() < 0.2:
            self.cursor, self.disconnects = None, self.disconnects + 1


def watch(organization: Organization, *, disconnects: int, seed: int) -> None:
    """Let viewers come and go until they have been away so often; compare what they have."""
    chance = random.Random(seed)
    viewers = [Viewer() for _ in range(8)]
    while sum(viewer.disconnects for viewer in viewers) < disconnects:
        steps = chain(4, params=Params(seed=chance.randrange(99), max_new_tokens=120))
        run = start(organization, steps, subject=str(chance.random()))
        thread = threading.Thread(target=write, args=[run])
        thread.start()
        while thread.is_alive():
            for viewer in viewers:
                viewer.follow(chance, run)
            time.sleep(0.01)
        expected = {
            str(one.step_run_id): one.text for one in Output.objects.filter(step_run__run=run)
        }
        assert len(expected) == 4
        for viewer in viewers:
            viewer.connect(run)
            assert viewer.have == expected
            viewer.have.clear()


def write(run: Run) -> None:
    try:
        execution.run_stage(run_id=str(run.pk), pool="inference")
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_whoever_goes_and_comes_again_has_the_same_text(
    organization: Organization, play: Play, sent: Sent
) -> None:
    play(words=120, delay_s=0.004)
    watch(organization, disconnects=40, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.django_db(transaction=True)
def test_after_a_thousand_disconnects_the_texts_are_the_same(
    organization: Organization, play: Play, sent: Sent
) -> None:
    play(words=120, delay_s=0.004)
    watch(organization, disconnects=1000, seed=int(os.environ.get("SEED", "2")))


@pytest.mark.parametrize(("text", "length"), [("", 0), ("abc", 3), ("é", 1), ("🙂🙃", 4)])
def test_places_are_counted_as_a_browser_counts_them(text: str, length: int) -> None:
    assert events.units(text) == length
