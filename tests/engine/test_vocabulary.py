"""The bytes of tokens, joined, are the text that the tokenizer decodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.conftest import CORPUS

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _byte_level() -> PreTrainedTokenizerFast:
    return train_tokenizer(CORPUS * 4, vocabulary=400, context_tokens=256)


def sentence_piece() -> PreTrainedTokenizerFast:
    """Return a tokenizer as Llama 2 and Gemma have it: a mark for the space, bytes for what is unknown."""
    core = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    core.normalizer = normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", "</s>", *BYTES], show_progress=False
    )
    core.train_from_iterator(CORPUS[:2] * 4, trainer)
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", unk_token="<unk>")


def _words() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordLevel({"a": 0, "lamp": 1, "</s>": 2}, unk_token="a"))
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>")


@given(st.sampled_from(CORPUS), st.integers(0, 40), st.integers(0, 60))
def test_pieces_join_to_the_text_at_byte_level(text: str, start: int, end: int) -> None:
    tokenizer, part = _BYTE_LEVEL, text[start:end]
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer), end_ids=[2])
    ids = tokenizer.encode(part, add_special_tokens=False)
    assert b"".join(vocabulary.pieces[n] for n in ids).decode() == part


_BYTE_LEVEL = _byte_level()


def test_pieces_join_to_the_text_with_marked_spaces() -> None:
    tokenizer = sentence_piece()
    core = tokenizer.backend_tokenizer
    specials = {"<unk>", "</s>"}
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer), end_ids=[1])
    # The trainer marks the byte tokens as special; in a model's own file they are not.
    assert [core.id_to_token(n) for n, piece in enumerate(vocabulary.pieces) if not piece][
        :2
    ] == sorted(specials, key=core.token_to_id)
    for text in (" a warm light", "Meet the lamp"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert b"".join(vocabulary.pieces[n] for n in ids).decode() == text == tokenizer.decode(ids)


def test_other_tokenizers_are_asked_to_decode() -> None:
    vocabulary = Vocabulary(_words(), size=3, end_ids=[2])
    assert vocabulary.pieces[:2] == (b"a", b"lamp")


def test_special_tokens_are_no_text_but_have_a_name() -> None:
    tokenizer = _byte_level()
    tokenizer.add_tokens([AddedToken("Zürich", special=False)])
    size = len(tokenizer) + 5
    vocabulary = Vocabulary(tokenizer, size=size, end_ids=[2])
    assert vocabulary.pieces[2] == b""
    assert vocabulary.text(2) == "<|end|>"
    assert vocabulary.text(size - 1) == ""
    added = tokenizer.convert_tokens_to_ids("Zürich")
    assert vocabulary.text(added) == "Zürich"


@pytest.mark.parametrize("size_bytes", [0, 1, 7, 1000])
def test_the_tail_has_the_bytes_asked_for_and_the_rest_of_their_token(size_bytes: int) -> None:
    vocabulary = Vocabulary(_BYTE_LEVEL, size=len(_BYTE_LEVEL), end_ids=[2])
    text = CORPUS[2]
    tail = vocabulary.tail(_BYTE_LEVEL.encode(text, add_special_tokens=False), size_bytes)
    assert text.encode().endswith(tail)
    assert len(tail) >= min(size_bytes, len(text.encode()))
