"""Convert a model to GGUF and quantize it: `python -m benchmarks.peers.make_gguf NAME f32 q8_0 ...`.

Runs in llama.cpp's environment. Takes models of Llama's architecture with tied embeddings. The
tokenizer stays behind: prompts are handed over as token ids.
"""

import ctypes
import json
import sys
from pathlib import Path

import gguf
import llama_cpp
from safetensors import safe_open
from torch import Tensor

from benchmarks.peers.places import model

LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
}
QUANTIZED = {"q8_0": 7, "q4_0": 2}  # llama.cpp's numbers


class NotConverted(Exception):
    """A model did not become GGUF."""


def gguf_name(name: str) -> str:
    """Translate the name of a weight."""
    if name in OUTSIDE:
        return OUTSIDE[name]
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER[module]}.{kind}"


def interleaved(weight: Tensor, heads: int) -> Tensor:
    """Return a query's or key's weight (H*D, I) in the order of llama.cpp's rotation of pairs."""
    rows, width = weight.shape
    return weight.view(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)


def describe(writer: gguf.GGUFWriter, config: dict[str, object]) -> None:
    """Write what the model is."""
    heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
    head = int(config.get("head_dim") or width // heads)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(width)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(0)
    writer.add_tokenizer_model("none")


def write_f32(folder: Path, target: Path) -> None:
    """Write the file from which the others are quantized."""
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(str(target), config["model_type"])
    describe(writer, config)
    heads = {
        "q_proj.weight": config["num_attention_heads"],
        "k_proj.weight": config["num_key_value_heads"],
    }
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - it is no dictionary
            value = tensors.get_tensor(name).float()
            ending = ".".join(name.split(".")[-2:])
            if ending in heads:
                value = interleaved(value, heads[ending])
            writer.add_tensor(gguf_name(name), value.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(name: str, forms: list[str]) -> None:
    """Write the file in full precision, then the smaller ones."""
    whole = model(name, "gguf-f32.gguf")
    write_f32(model(name, "hf"), whole)
    for form in forms:
        if form not in QUANTIZED:
            continue
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype, params.nthread = QUANTIZED[form], 2
        target = str(model(name, f"gguf-{form}.gguf")).encode()
        status = llama_cpp.llama_model_quantize(str(whole).encode(), target, ctypes.byref(params))
        if status != 0:
            raise NotConverted(f"wanted {name} as {form}, got status {status}")
    if "f32" not in forms:
        whole.unlink()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
