"""Choose the next token. Chance is a function of (seed, position): no state, the same on every device.

What the answer says already is made less likely, what it is to say likelier, and what must not come is
struck out. Then the likeliest is taken or a number is drawn. A row of logits is judged alone: who else is in
the batch changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inferencecloud.engine.banning import Ban
from inferencecloud.engine.drawing import draw, draw_slowly, uniform
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.guidance import guided
from inferencecloud.engine.lengths import LengthKeeper
from inferencecloud.engine.quoting import Quotes
from inferencecloud.engine.requests import NO_GUIDANCE, Alternative, Sampling, TokenLogprob
from inferencecloud.engine.requiring import Requirement
from inferencecloud.engine.schema import SchemaMatcher
from inferencecloud.engine.vocabulary import Vocabulary

__all__ = ["Choice", "NothingAllowed", "Sampler", "choose_token", "highest", "uniform"]


class NothingAllowed(EngineError):
    """The wishes of a request leave no token at all."""

    def __init__(self) -> None:
        super().__init__(
            "Wanted a next token that fits the JSON schema without a banned phrase, got none: "
            "the two contradict each other here."
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The next token; with logprobs where the request wants them."""

    token_id: int
    logprob: float | None = None  # natural logarithm, of the model's own distribution
    top: tuple[tuple[int, float], ...] = ()  # (id, logprob) of the likeliest, falling


def choose_token(logits: Tensor, sampling: Sampling, answer: Sequence[int]) -> int:
    """Return the id of the next token: the slow obvious version of `Sampler.choose`.

    Args:
        logits: (V) float32.
        sampling: How to choose; what needs the tokens' text is not looked at: required, banned, length,
            json_schema.
        answer: The ids of the answer so far.
    """
    scores = without_repetition(logits, sampling, answer)
    if sampling.temperature == 0:
        return int(scores.argmax())
    return draw_slowly(scores, sampling, len(answer))


class Sampler:
    """Chooses the tokens of one request; the answer may be asked about again, or from anywhere."""

    def __init__(
        self, sampling: Sampling, vocabulary: Vocabulary, *, guidance_scale: float = NO_GUIDANCE
    ) -> None:
        """Make ready; the model's own `guidance_scale` holds where the request wants none.

        Raises:
            InvalidSchema: The JSON schema is none, or wants what cannot be guaranteed.
        """
        self.sampling = sampling
        wanted = sampling.guidance_scale
        self.guidance_scale = guidance_scale if wanted is None else wanted
        self._vocabulary = vocabulary
        self._quotes: Quotes | None = None
        self._ban = (
            Ban(sampling.banned, vocabulary, any_case=sampling.banned_any_case)
            if sampling.banned
            else None
        )
        self._requirement = (
            Requirement(sampling.required, vocabulary) if sampling.required else None
        )
        self._length = (
            None if sampling.length is None else LengthKeeper(sampling.length, vocabulary)
        )
        self._schema = (
            None
            if sampling.json_schema is None
            else SchemaMatcher(sampling.json_schema, vocabulary)
        )
        self.is_plain = (
            sampling.temperature == 0
            and sampling.repetition_penalty == 1
            and not sampling.no_repeat_ngram_size
            and sampling.logprobs is None
            and not self.is_guided
            and self._requirement is None
            and self._length is None
            and self._ban is None
            and self._schema is None
        )

    def read(self, prompt: Sequence[int]) -> None:
        """Take note of the prompt, once it is complete: what stands there may be said again."""
        if self.sampling.no_repeat_ngram_size:
            self._quotes = Quotes(prompt)

    @property
    def is_guided(self) -> bool:
        """Tell whether the answer is to be read without its prompt, too."""
        return self.guidance_scale != NO_GUIDANCE

    def choose(
        self, logits: Tensor, answer: Sequence[int], *, unprompted: Tensor | None = None
    ) -> Choice:
        """Return the next token.

        Args:
            logits: (V) float32, on any device; they stay as they are.
            answer: The ids of the answer so far.
            unprompted: (V) float32, the logits without the prompt; None: without guidance this time.

        Raises:
            NothingAllowed: The schema allows only what is banned.
        """
        scores = logits = logits.detach().cpu()
        if unprompted is not None and self.is_guided:
            ends = self._vocabulary.end_ids
            scores = guided(logits, unprompted.detach().cpu(), self.guidance_scale, ends=ends)
        scores = without_repetition(scores, self.sampling, answer, quotes=self._quotes)
        if self._requirement is not None:
            scores = self._requirement.added(scores, answer)
        if self._ban is not None or self._schema is not None or self._length is not None:
            scores = self._allowed(scores, answer)
        if self.sampling.temperature == 0:
            token_id = _likeliest(scores)
        else:
            token_id = draw(scores, self.sampling, len(answer))
        return self._choice(logits, token_id)

    def report(self, choice: Choice) -> tuple[TokenLogprob, ...]:
        """Return what `Delta.logprobs` says of the choice: nothing where nobody asked."""
        if choice.logprob is None:
            return ()
        text = self._vocabulary.text
        chosen = Alternative(choice.token_id, text(choice.token_id), choice.logprob)
        return (TokenLogprob(chosen, tuple(Alternative(i, text(i), p) for i, p in choice.top)),)

    def _allowed(self, scores: Tensor, answer: Sequence[int]) -> Tensor:
        """Return the scores (V), those of tokens that must not come at -inf."""
        values: NDArray[np.float32] = scores.numpy().copy()
        if self._schema is not None:
            values[~self._schema.allowed(answer)] = -np.inf
        if self._ban is not None:
            values[self._ban.tokens(answer)] = -np.inf
        if self._length is not None:
            self._length.keep(values, answer)
        if np.isneginf(values.max()):
            raise NothingAllowed
        return torch.from_numpy(values)

    def _choice(self, logits: Tensor, token_id: int) -> Choice:
        count = self.sampling.logprobs
        if count is None:
            return Choice(token_id)
        logprobs = torch.log_softmax(logits, dim=-1)
        top = logprobs.topk(min(count, len(logits)))
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return Choice(token_id, float(logprobs[token_id]), tuple(pairs))


def highest(logits: Tensor) -> tuple[list[int], list[bool]]:
    """Return the first likeliest id of every row (B, V) float32, and whether its logit is finite.

    A row with NaN in it has NaN as its highest.
    """
    if not len(logits):
        return [], []
    if logits.is_cuda:
        values, ids = logits.detach().max(dim=1)
        return ids.tolist(), values.isfinite().tolist()
    rows = logits.detach().numpy()  # numpy finds it many times sooner than torch
    winners = rows.argmax(axis=1)
    values = rows[np.arange(len(rows)), winners]
    return winners.tolist(), np.isfinite(values).tolist()


def _likeliest(scores: Tensor) -> int:
    """Return the first of the likeliest ids."""
    return int(scores.numpy().argmax())


def without_repetition(
    logits: Tensor, sampling: Sampling, answer: Sequence[int], *, quotes: Quotes | None = None
) -> Tensor:
    """Return the logits (V) with the tokens of the answer less likely, and repeated runs impossible.

    The penalty is that of CTRL (Keskar et al. 2019, arXiv:1909.05858, section 4.1) as transformers defines
    it. Only the answer counts: a name or a price that stands in the prompt is to be said, and said again:
    a run may be repeated as far as it quotes the prompt, up to a name's length. Otherwise a long name would
    change at its second mention.
    """
    scores = logits
    if sampling.repetition_penalty != 1 and answer:
        said = torch.tensor(sorted(set(answer)), device=logits.device)
        before, penalty = logits[said], sampling.repetition_penalty
        after = torch.where(before < 0, before * penalty, before / penalty)
        scores = logits.scatter(0, said, after)
    runs = _ends_of_runs(answer, sampling.no_repeat_ngram_size)
    banned = sorted(
        token_id
        for token_id, repeated in runs.items()
        if quotes is None or not quotes.allow(answer, token_id, repeated=repeated)
    )
    if banned and len(banned) < len(logits):
        scores = scores.index_fill(0, torch.tensor(banned, device=logits.device), -torch.inf)
    return scores


def _ends_of_runs(answer: Sequence[int], size: int) -> dict[int, int]:
    """Return what would make the last `size` tokens a run that the answer has already.

    With each such token the length of the longest run that would then stand there twice, itself included.
    """
    if not size or len(answer) < size:
        return {}
    last = answer[len(answer) - size + 1 :]
    found: dict[int, int] = {}
    for end in range(size - 1, len(answer)):
        if answer[end - size + 1 : end] == last:
            length = _common(answer[:end], answer) + 1
            found[answer[end]] = max(found.get(answer[end], 0), length)
    return found


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens at the end of the two are the same."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((n for n, (left, right) in enumerate(pairs) if left != right), len(one))
