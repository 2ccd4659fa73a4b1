"""What an engine tells of itself: plain numbers, for Prometheus and the console."""

from __future__ import annotations

from dataclasses import dataclass


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
