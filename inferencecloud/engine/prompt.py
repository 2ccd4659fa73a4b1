"""Turn messages into token ids through a model's chat template, without giving text any power over it.

The template is rendered around place-holders and cut there: what stands between them may become special
tokens, what people and models wrote never does, even if it reads "<|end|>".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jinja2 import TemplateError
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.serial import Turn

_PLACE = "\ue000{}\ue001"  # private-use characters: no template contains them
_PLACES = re.compile("\ue000(\\d+)\ue001")


class TokenizerUnsupported(EngineError):
    """The artifact's tokenizer is not of the fast kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"Wanted a tokenizer with a tokenizer.json, got {kind}.")


class TemplateRefused(EngineError):
    """The model's chat template does not take the messages."""

    def __init__(self, roles: Sequence[str], problem: object) -> None:
        super().__init__(
            f"The model's chat template does not accept messages of {', '.join(roles)}: {problem}"
        )


class PromptEncoder:
    """Encodes chats and texts for one model; safe to use from several threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise TokenizerUnsupported(type(tokenizer).__name__)
        self._tokenizer = tokenizer
        # Two copies whose settings never change: changing them per call is neither thread-safe nor quick.
        self._frame = Tokenizer.from_str(backend.to_str())
        self._plain = Tokenizer.from_str(backend.to_str())
        for copy in (self._frame, self._plain):
            copy.no_truncation()
            copy.no_padding()
        self._plain.encode_special_tokens = True
        self._frames: dict[tuple[str, ...], list[list[int] | int]] = {}

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of plain text; nothing in it becomes a special token."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of the ids, special tokens left out."""
        text: str = self._frame.decode(list(token_ids), skip_special_tokens=True)
        return text

    def encode_chat(self, turns: Sequence[Turn]) -> list[int]:
        """Return the ids of the prompt up to where the answer begins.

        Raises:
            TemplateRefused: The template raises, or drops a message.
        """
        ids: list[int] = []
        for part in self.frame([turn.role for turn in turns]):
            ids += self.encode_text(turns[part].text) if isinstance(part, int) else part
        return ids

    def encode_silence(self, roles: Sequence[str]) -> list[int]:
        """Return the ids of a chat with such roles in which nothing is said.

        Raises:
            TemplateRefused: The template raises, or drops a message.
        """
        return [i for part in self.frame(roles) if not isinstance(part, int) for i in part]

    def frame(self, roles: Sequence[str]) -> list[list[int] | int]:
        """Return the fixed ids of a chat with such roles, and between them the numbers of the messages.

        Raises:
            TemplateRefused: The template raises, or drops a message.
        """
        key = tuple(roles)
        if key not in self._frames:
            self._frames[key] = self._frame_for(key)
        return self._frames[key]

    def _frame_for(self, roles: tuple[str, ...]) -> list[list[int] | int]:
        if not self._tokenizer.chat_template:
            return self._frame_without_template(len(roles))
        messages = [{"role": role, "content": _PLACE.format(n)} for n, role in enumerate(roles)]
        try:
            rendered = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise TemplateRefused(roles, error) from error
        pieces = _PLACES.split(str(rendered))
        if sorted(pieces[1::2], key=int) != [str(n) for n in range(len(roles))]:
            raise TemplateRefused(roles, "it leaves a message out, or repeats one")
        frame: list[list[int] | int] = []
        for place, piece in enumerate(pieces):
            if place % 2:
                frame.append(int(piece))
            else:
                frame.append(self._frame.encode(piece, add_special_tokens=False).ids)
        return frame

    def _frame_without_template(self, count: int) -> list[list[int] | int]:
        """Return the frame for a model that only continues text: the messages, an empty line between them."""
        begin = self._tokenizer.bos_token_id
        gap: list[int] = self._frame.encode("\n\n", add_special_tokens=False).ids
        frame: list[list[int] | int] = [[] if begin is None else [int(begin)]]
        for number in range(count):
            frame += [number, gap]
        return frame
