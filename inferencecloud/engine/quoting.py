"""Know what stands in the prompt: to say it again is to quote, not to repeat oneself."""

from __future__ import annotations

from collections.abc import Sequence

RUN = 3  # tokens; two alone stand together by chance too often


class Quotes:
    """The runs of one prompt: names, prices, phrases."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self._runs = {tuple(prompt[end - RUN : end]) for end in range(RUN, len(prompt) + 1)}

    def go_on_with(self, answer: Sequence[int], token_id: int) -> bool:
        """Tell whether the token and those before it are a run of the prompt."""
        return (*answer[-RUN + 1 :], token_id) in self._runs
