"""What one step computes of one sequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from inferencecloud.engine.sequence import Sequence


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens of one sequence that are computed in this step: the next `tokens` that are pending."""

    sequence: Sequence
    tokens: int
    draft: tuple[int, ...] = ()  # the last of them are a guess, which stands in no sequence yet
    unprompted: Span | None = None  # the same tokens without the prompt, where the answer is guided

    @property
    def brings_token(self) -> bool:
        """Tell whether the next token of the answer can be chosen afterwards."""
        known = self.tokens - len(self.draft)
        return not self.sequence.is_open and known == self.sequence.pending

    @property
    def rows(self) -> int:
        """Return for how many of its tokens the logits are wanted."""
        return 1 + len(self.draft) if self.brings_token else 0

    @property
    def token_ids(self) -> list[int]:
        """Return the ids to compute."""
        begin = self.sequence.computed
        known = self.tokens - len(self.draft)
        return [*self.sequence.token_ids[begin : begin + known], *self.draft]

    @property
    def total_tokens(self) -> int:
        """Return how many tokens are computed for it."""
        return self.tokens + (0 if self.unprompted is None else self.unprompted.tokens)


def span_of(sequence: Sequence, tokens: int, draft: tuple[int, ...] = ()) -> Span:
    """Return a span; where it brings a token that is guided, with what is read without the prompt."""
    span = Span(sequence, tokens, draft)
    other = sequence.unprompted
    if other is None or not span.brings_token:
        return span
    sequence.follow_answer()
    return replace(span, unprompted=Span(other, other.pending + len(draft), draft))


def with_unprompted(spans: Iterable[Span]) -> list[Span]:
    """Return the spans, and behind them all what is read without their prompts: one step of a runner."""
    spans = list(spans)
    return [*spans, *(span.unprompted for span in spans if span.unprompted is not None)]
