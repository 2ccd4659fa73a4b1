"""What the tokens of a model are as text: the bytes that each brings to an answer.

Tokenizers write bytes in two ways: a letter for every byte (GPT-2, Llama 3, Qwen) or plain text with a mark
for the space and `<0xE2>` for a lone byte (SentencePiece: Llama 2, Mistral, Gemma). Others are asked to
decode.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

_LONE_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")
_SPACE_MARK = "\u2581"


class Vocabulary:
    """The tokens of one model; nothing of it changes, so it is shared by all its requests."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, size: int, end_ids: Iterable[int]
    ) -> None:
        """Take the tokenizer (of the fast kind), the width V of the logits and the ids that end an answer."""
        self.tokenizer = tokenizer
        self.size = size
        self.end_ids = frozenset(end_ids)

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:
        """Return the bytes of every token: V of them; none for special tokens and unused ids."""
        backend: Tokenizer = self.tokenizer.backend_tokenizer
        to_bytes = _reader(backend)
        added = backend.get_added_tokens_decoder()
        pieces = [b""] * self.size
        for token, token_id in backend.get_vocab(with_added_tokens=True).items():
            if token_id >= self.size:
                continue
            if token_id in added:
                pieces[token_id] = b"" if added[token_id].special else token.encode()
            else:
                pieces[token_id] = to_bytes(token)
        return tuple(pieces)

    def text(self, token_id: int) -> str:
        """Return what the token alone reads like; a special token reads like its name."""
        piece = self.pieces[token_id] if 0 <= token_id < self.size else b""
        if not piece:
            token = self.tokenizer.convert_ids_to_tokens(token_id)
            return str(token) if token is not None else ""
        return piece.decode(errors="replace")

    def tail(self, answer: Sequence[int], size_bytes: int) -> bytes:
        """Return the last bytes of the answer: so many or a few more, if it has them."""
        parts: list[bytes] = []
        length = 0
        for token_id in reversed(answer):
            if length >= size_bytes:
                break
            piece = self.pieces[token_id]
            parts.append(piece)
            length += len(piece)
        return b"".join(reversed(parts))


def _reader(backend: Tokenizer) -> Callable[[str], bytes]:
    """Return the function from a token, as the vocabulary spells it, to its bytes."""
    decoder = json.loads(backend.to_str()).get("decoder")
    kinds = _kinds(decoder)
    if "ByteLevel" in kinds:
        letters = {letter: byte for byte, letter in enumerate(_byte_letters())}
        return lambda token: (
            bytes(letters[c] for c in token) if all(c in letters for c in token) else token.encode()
        )
    if "Metaspace" in kinds or _SPACE_MARK in json.dumps(decoder, ensure_ascii=False):
        return _from_sentence_piece
    return lambda token: str(backend.decode([backend.get_vocab()[token]])).encode()


def _kinds(decoder: Any) -> set[str]:
    """Return the types of a decoder of tokenizer.json and of all that it is made of."""
    if not isinstance(decoder, dict):
        return set()
    parts = [_kinds(part) for part in decoder.get("decoders", ())]
    return {str(decoder.get("type"))}.union(*parts)


def _from_sentence_piece(token: str) -> bytes:
    lone = _LONE_BYTE.match(token)
    if lone:
        return bytes([int(lone.group(1), 16)])
    return token.replace(_SPACE_MARK, " ").encode()


def _byte_letters() -> list[str]:
    """Return the letter that stands for each byte in GPT-2's vocabulary (Radford et al. 2019)."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, hidden = [], 0
    for byte in range(256):
        if byte in shown:
            letters.append(chr(byte))
        else:
            letters.append(chr(0x100 + hidden))
            hidden += 1
    return letters
