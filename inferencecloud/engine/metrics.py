"""What an engine tells of itself: plain numbers, for Prometheus and the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # this module needs no torch
    from inferencecloud.engine.lane import Lane
    from inferencecloud.engine.watchdog import Watchdog


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMetrics:
    """The state of an engine at one moment, and its counts since it began, over all its models."""

    running: int = 0  # sequences with memory
    waiting: int = 0  # sequences without
    kv_blocks_used: int = 0
    kv_blocks_total: int = 0
    prefix_query_tokens: int = 0  # of prompts that were begun
    prefix_hit_tokens: int = 0  # of these, computed before for somebody else
    drafted_tokens: int = 0  # guessed, and checked by the model
    held_tokens: int = 0  # of these, right
    preemptions: int = 0
    prefill_tokens: int = 0
    generated_tokens: int = 0
    steps: int = 0
    failures: int = 0  # requests that failed inside the model
    memory_failures: int = 0  # steps for which the machine had no memory
    last_step_s: float = 0.0
    stuck: bool = False  # a step takes longer than the watchdog allows

    @property
    def prefix_hit_rate(self) -> float:
        """Return which part of the prompts' tokens had not to be computed."""
        return self.prefix_hit_tokens / max(1, self.prefix_query_tokens)


def measured(lanes: Sequence[Lane], watchdog: Watchdog) -> EngineMetrics:
    """Return the state and the counts of a batching engine, summed over its models."""
    schedulers = [lane.scheduler for lane in lanes]
    return EngineMetrics(
        running=sum(len(s.running) for s in schedulers),
        waiting=sum(s.waiting for s in schedulers),
        kv_blocks_used=sum(s.pool.used for s in schedulers),
        kv_blocks_total=sum(s.pool.count for s in schedulers),
        prefix_query_tokens=sum(s.counts.prefix_query_tokens for s in schedulers),
        prefix_hit_tokens=sum(s.counts.prefix_hit_tokens for s in schedulers),
        drafted_tokens=sum(s.counts.drafted_tokens for s in schedulers),
        held_tokens=sum(s.counts.held_tokens for s in schedulers),
        preemptions=sum(s.counts.preemptions for s in schedulers),
        prefill_tokens=sum(lane.tally.prefill_tokens for lane in lanes),
        generated_tokens=sum(lane.tally.generated_tokens for lane in lanes),
        steps=sum(lane.tally.steps for lane in lanes),
        failures=sum(lane.tally.failures for lane in lanes),
        memory_failures=sum(lane.tally.memory_failures for lane in lanes),
        last_step_s=watchdog.last_s,
        stuck=watchdog.is_stuck,
    )
