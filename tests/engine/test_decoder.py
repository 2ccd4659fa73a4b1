"""Our forward pass says what transformers says, for every family that it knows."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedConfig

from inferencecloud.engine.blocks import BLOCK_TOKENS
from inferencecloud.engine.decoder import Batch, Decoder, forward
from inferencecloud.engine.kernels import RaggedBatch, available
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.reading import ArchitectureUnsupported, read_decoder

CONTEXT = 128
SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CONFIGS = {
    "llama": transformers.LlamaConfig(**SIZES, attention_bias=True),
    "llama with scaled positions": transformers.LlamaConfig(**SIZES, rope_parameters=LLAMA3_ROPE),
    "mistral with a window": transformers.MistralConfig(**SIZES, sliding_window=7),
    "qwen2": transformers.Qwen2Config(**SIZES),
    "qwen2 with a window in some layers": transformers.Qwen2Config(
        **SIZES, use_sliding_window=True, sliding_window=7, max_window_layers=1
    ),
    "qwen3": transformers.Qwen3Config(**SIZES, head_dim=16),
    "gemma": transformers.GemmaConfig(**SIZES, head_dim=16),
    "gemma 2": transformers.Gemma2Config(**SIZES, head_dim=16, sliding_window=7),
    "gemma 3": transformers.Gemma3TextConfig(**SIZES, head_dim=16, sliding_window=7),
    "gpt2": transformers.GPT2Config(
        vocab_size=97,
        n_embd=32,
        n_layer=3,
        n_head=4,
        n_positions=CONTEXT,
        bos_token_id=1,
        eos_token_id=2,
    ),
}
WIDE = {**SIZES, "hidden_size": 64}  # heads of 16, which the kernel takes
IN_ONE_CALL = {
    "llama": transformers.LlamaConfig(**WIDE, attention_bias=True, tie_word_embeddings=True),
    "llama with scaled positions": transformers.LlamaConfig(**WIDE, rope_parameters=LLAMA3_ROPE),
    "mistral with a window": transformers.MistralConfig(**WIDE, sliding_window=7),
    "qwen2": transformers.Qwen2Config(**WIDE),
    "qwen2 with a window in some layers": transformers.Qwen2Config(
        **WIDE, use_sliding_window=True, sliding_window=7, max_window_layers=1
    ),
    "qwen3": CONFIGS["qwen3"],
}
IN_PARTS = {
    "heads of 8": CONFIGS["llama"],
    "another gate": transformers.LlamaConfig(**WIDE, hidden_act="gelu"),
    "gemma": CONFIGS["gemma"],
    "gemma 2": CONFIGS["gemma 2"],
    "gpt2": CONFIGS["gpt2"],
}
TABLES = torch.tensor([[3, 1, 2], [7, 9, 8]], dtype=torch.int32)  # blocks in no order
# Of two sequences: read in pieces, written one by one, both mixed.
STEPS = (
    ((0, 10), (0, 21)),
    ((10, 11), (21, 30)),
    ((11, 39), (30, 31)),
    ((39, 40), (31, 40)),
)


def _model(config: PreTrainedConfig) -> transformers.PreTrainedModel:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config)
    model.train(mode=False)
    with torch.no_grad():
        for parameter in model.parameters():  # no bias and no norm stays at its beginning
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def _memory(decoder: Decoder) -> KvMemory:
    return KvMemory(
        decoder.norm.weight,
        layers=len(decoder.layers),
        blocks=12,
        kv_heads=decoder.kv_heads,
        head_dim=decoder.head_dim,
    )


def _batch(ids: Tensor, spans: tuple[tuple[int, int], ...]) -> Batch:
    places = [(row, place) for row, span in enumerate(spans) for place in range(*span)]
    starts = [0, spans[0][1] - spans[0][0], len(places)]
    slots = [
        int(TABLES[row, p // BLOCK_TOKENS]) * BLOCK_TOKENS + p % BLOCK_TOKENS for row, p in places
    ]
    return Batch(
        token_ids=torch.stack([ids[row, place] for row, place in places]),
        positions=torch.tensor([place for _, place in places]),
        ragged=RaggedBatch(
            query_start=torch.tensor(starts, dtype=torch.int32),
            context=torch.tensor([end for _, end in spans], dtype=torch.int32),
            block_tables=TABLES,
        ),
        slots=torch.tensor(slots),
        wanted=torch.tensor([starts[1] - 1, starts[2] - 1]),
    )


def _is_in_one_call(decoder: Decoder) -> bool:
    return decoder.whole is not None and decoder.whole.is_available


def _expect_transformers(model: transformers.PreTrainedModel, decoder: Decoder) -> None:
    memory = _memory(decoder)
    ids = torch.randint(3, 97, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = model(ids).logits
        for spans in STEPS:
            got = forward(decoder, _batch(ids, spans), memory)
            for row, (_, end) in enumerate(spans):
                torch.testing.assert_close(got[row], wanted[row, end - 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_logits_are_those_of_transformers(name: str) -> None:
    model = _model(CONFIGS[name])
    _expect_transformers(model, read_decoder(model, context_tokens=CONTEXT))


@pytest.mark.skipif(not available().is_native, reason="there is no compiled kernel")
@pytest.mark.parametrize("name", IN_ONE_CALL)
def test_so_they_are_in_one_call(name: str) -> None:
    model = _model(IN_ONE_CALL[name])
    decoder = read_decoder(model, context_tokens=CONTEXT)
    assert _is_in_one_call(decoder)
    _expect_transformers(model, decoder)


@pytest.mark.parametrize("name", IN_PARTS)
def test_what_the_kernel_does_not_know_is_computed_in_parts(name: str) -> None:
    model = _model(IN_PARTS[name])
    decoder = read_decoder(model, context_tokens=CONTEXT)
    assert not _is_in_one_call(decoder)
    _expect_transformers(model, decoder)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (transformers.GPTNeoXConfig(**SIZES), "architecture 'gpt_neox'"),
        (
            transformers.LlamaConfig(
                **SIZES,
                rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
            ),
            "rotary position 'dynamic'",
        ),
        (transformers.LlamaConfig(**SIZES, hidden_act="relu6"), "activation 'relu6'"),
        (
            transformers.GPT2Config(
                vocab_size=97,
                n_embd=32,
                n_layer=1,
                n_head=4,
                scale_attn_by_inverse_layer_idx=True,
                bos_token_id=1,
                eos_token_id=2,
            ),
            "scale_attn_by_inverse_layer_idx",
        ),
    ],
)
def test_what_is_not_known_is_refused_by_name(config: PreTrainedConfig, what: str) -> None:
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(ArchitectureUnsupported, match=what):
        read_decoder(model, context_tokens=CONTEXT)
