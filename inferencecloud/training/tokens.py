"""Train the starter's tokenizer: byte-level BPE, digits one by one, roles as special tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from inferencecloud.evaluation.limits import phrase_pattern
from inferencecloud.training.generator.exercise import Exercise

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")
CHAT_TEMPLATE = (
    "{{- '<|begin|>' -}}"
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*\s+")
# Digits stand alone, so that a price is copied figure by figure.
_PIECES = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def train_tokenizer(
    texts: Iterable[str], *, vocabulary: int, context_tokens: int
) -> PreTrainedTokenizerFast:
    """Return a tokenizer of that many tokens, its special ones included, trained on the texts."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    special = [PAD, BEGIN, END, *[f"<|{role}|>" for role in ROLES]]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=special[3:],
        model_max_length=context_tokens,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer that was saved in the folder."""
    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def encode_exercise(
    tokenizer: PreTrainedTokenizerFast, exercise: Exercise
) -> tuple[list[int], int]:
    """Return the token ids of prompt, answer and end, and how many of them are the prompt."""
    prompt = "".join(f"<|{role}|>{content}{END}" for role, content in exercise.messages)
    head = tokenizer.encode(f"{BEGIN}{prompt}<|assistant|>", add_special_tokens=False)
    answer = tokenizer.encode(exercise.completion, add_special_tokens=False)
    return [*head, *answer, tokenizer.eos_token_id], len(head)


def mark_decisive(tokenizer: PreTrainedTokenizerFast, exercise: Exercise) -> list[bool]:
    """Return for each token of the answer, and its end, whether a wish is fulfilled there or not.

    Decisive are the words of facts, those that stand where a forbidden one would, and, where a length is
    asked for, what comes after a sentence: another one or the end.
    """
    text = exercise.completion
    spans = [
        match.span()
        for phrase in (*exercise.facts, *exercise.replacements)
        for match in phrase_pattern(phrase).finditer(text)
    ]
    if exercise.limit is not None:
        spans += [(match.end(), match.end() + 1) for match in _SENTENCE_END.finditer(text)]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets: list[tuple[int, int]] = encoded["offset_mapping"]
    marks = [any(low < end and start < high for low, high in spans) for start, end in offsets]
    return [*marks, exercise.limit is not None]
