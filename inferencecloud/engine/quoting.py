"""Know what stands in the prompt: to say it again is to quote, not to repeat oneself."""

from __future__ import annotations

from collections.abc import Sequence

RUN = 3  # tokens; two alone stand together by chance too often
# So long a stretch of an answer may come again where it quotes: a name, not a sentence.
LONGEST = 16


class Quotes:
    """The runs of one prompt: names, prices, phrases."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self._runs = {tuple(prompt[end - RUN : end]) for end in range(RUN, len(prompt) + 1)}

    def allow(self, answer: Sequence[int], token_id: int, *, repeated: int) -> bool:
        """Tell whether the token goes on with a quotation.

        Args:
            answer: The answer so far.
            token_id: What would come next.
            repeated: How many tokens, it among them, would end the answer that stood in it already.
        """
        return repeated <= LONGEST and (*answer[-RUN + 1 :], token_id) in self._runs
