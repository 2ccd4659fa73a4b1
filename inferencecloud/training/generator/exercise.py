"""What one example is: the messages, the answer, and what the answer can be held to."""

from __future__ import annotations

from dataclasses import dataclass

from inferencecloud.evaluation.limits import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One example.

    Args:
        kind: What is asked for ("tag", "short", "email").
        messages: The prompt as (role, content).
        completion: The answer to learn.
        facts: Words of the brief that stand in the answer, in any case.
        avoid: Words that the prompt forbids.
        replacements: Words of the answer that stand where a forbidden one would.
        limit: The length that the prompt asks for.
        source: What it was made from: "invented", or the sha256 of a record.
    """

    kind: str
    messages: tuple[tuple[str, str], ...]
    completion: str
    facts: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    replacements: tuple[str, ...] = ()
    limit: Limit | None = None
    source: str = "invented"

    @property
    def prompt(self) -> str:
        """Return all that the model reads."""
        return "\n".join(content for _, content in self.messages)
