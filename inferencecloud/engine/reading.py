"""Read a model of transformers into the plain tensors of `decoder`.

What is not known here to be computed exactly as transformers computes it is refused, by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from inferencecloud.engine.decoder import (
    Decoder,
    Dense,
    Layer,
    LayerNorm,
    Linear,
    Norm,
    RmsNorm,
    Rotary,
    Table,
)
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.families import ROPE_FAMILIES
from inferencecloud.engine.kernels import AttentionForm, PackedLinear
from inferencecloud.engine.kernels.artifact import EMBEDDING, HEAD, PackedModel
from inferencecloud.engine.kernels.dense import PanelledDense, is_panelled, panelled
from inferencecloud.engine.kernels.layer import PackedDecoder, PackedLayer

_STATIC_ROPES = {"default", "linear", "llama3", "yarn"}  # their angles depend on the position alone
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}

Module = Any  # transformers' modules have no attributes that a type checker knows


class ArchitectureUnsupported(EngineError):
    """The forward pass does not know this kind of model."""

    def __init__(self, what: str, got: object) -> None:
        super().__init__(f"The fast forward pass does not know the {what} {got!r}.")


def read_decoder(model: PreTrainedModel, *, context_tokens: int) -> Decoder:
    """Return the model's weights, fused; they are copies where they are fused and shared where not.

    Raises:
        ArchitectureUnsupported: Another kind of model; plain transformers can run it.
    """
    kind = model.config.model_type
    if kind == "gpt2":
        return _read_gpt2(model, context_tokens)
    if kind in ROPE_FAMILIES:
        return _read_rope_family(model, context_tokens, _Plain(model))
    raise ArchitectureUnsupported("architecture", kind)


def read_packed_decoder(packed: PackedModel, *, context_tokens: int) -> Decoder:
    """Return a quantized model, its weights still where they are mapped.

    Raises:
        ArchitectureUnsupported: Another kind of model.
    """
    plain = {key: value for key, value in packed.config.items() if key != "quantization_config"}
    config = AutoConfig.for_model(**plain)
    if config.model_type not in ROPE_FAMILIES:
        raise ArchitectureUnsupported("architecture", config.model_type)
    with torch.device("meta"):  # the outline alone: sizes, norms' places, no weights
        model: Module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    floats = {name: tensor.float() for name, tensor in packed.tensors.items()}
    model.load_state_dict(floats, strict=False, assign=True)
    body = _body(model)
    body.rotary_emb = type(body.rotary_emb)(config=config)
    return _read_rope_family(model, context_tokens, _Packed(packed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Linears:
    """The linear layers of a layer."""

    qkv: Linear
    out: Linear
    up: Linear
    down: Linear
    up_is_activated: bool = False


class _Plain:
    """Takes linear layers from a model of transformers."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Module = model
        self._layers: Module = _body(model).layers
        self._head = _dense(self._model.lm_head)

    def embedding(self) -> Callable[[Tensor], Tensor]:
        words = _body(self._model).embed_tokens.weight.detach()
        if (
            isinstance(self._head, PanelledDense)
            and words.data_ptr() == self._model.lm_head.weight.data_ptr()
        ):
            return self._head.rows
        return Table(words)

    def head(self) -> Linear:
        return self._head

    def linears(self, number: int) -> _Linears:
        attention, mlp = self._layers[number].self_attn, self._layers[number].mlp
        return _Linears(
            qkv=_fused(attention.q_proj, attention.k_proj, attention.v_proj),
            out=_dense(attention.o_proj),
            up=_fused(mlp.gate_proj, mlp.up_proj),
            down=_dense(mlp.down_proj),
        )


class _Packed:
    """Takes linear layers from a quantized artifact."""

    def __init__(self, packed: PackedModel) -> None:
        self._packed = packed

    def embedding(self) -> Callable[[Tensor], Tensor]:
        own = self._packed.tensors.get(f"{EMBEDDING}.weight")
        return self._packed.layers[HEAD].rows if own is None else Table(own.float())

    def head(self) -> Linear:
        return self._packed.layers[HEAD]

    def linears(self, number: int) -> _Linears:
        layers, prefix = self._packed.layers, f"model.layers.{number}."
        return _Linears(
            qkv=layers[f"{prefix}self_attn.qkv_proj"],
            out=layers[f"{prefix}self_attn.o_proj"],
            up=layers[f"{prefix}mlp.gate_up_proj"],
            down=layers[f"{prefix}mlp.down_proj"],
            up_is_activated=True,
        )


def _read_rope_family(
    model: PreTrainedModel, context_tokens: int, weights: _Plain | _Packed
) -> Decoder:
    config, body = model.config, _body(model)
    names, rotaries = _rotaries(body, context_tokens, model.dtype)
    gemma = config.model_type.startswith("gemma")
    made = Decoder(
        embedding=weights.embedding(),
        # Gemma rounds the scale to the type of its weights.
        embedding_scale=float(torch.tensor(math.sqrt(config.hidden_size), dtype=model.dtype))
        if gemma
        else 1.0,
        rotaries=rotaries,
        layers=tuple(
            _rope_layer(
                layer,
                config,
                weights.linears(number),
                where=(_layer_type(config, number), names),
            )
            for number, layer in enumerate(body.layers)
        ),
        norm=_rms(body.norm),
        head=weights.head(),
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=body.layers[0].self_attn.head_dim,
        logit_softcap=getattr(config, "final_logit_softcapping", None) or 0.0,
        context_tokens=context_tokens,
    )
    return replace(made, whole=_in_one_call(made))


def _layer_type(config: Any, number: int) -> str:
    """Return `full_attention` or `sliding_attention`."""
    types = getattr(config, "layer_types", None)
    if types:
        return str(types[number])
    return "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"


def _rope_layer(
    layer: Module, config: Any, linears: _Linears, *, where: tuple[str, dict[str, int]]
) -> Layer:
    attention = layer.self_attn
    kind, rotaries = where
    if kind not in {"full_attention", "sliding_attention"}:
        raise ArchitectureUnsupported("layer type", kind)
    four_norms = hasattr(layer, "pre_feedforward_layernorm")
    ffn_norm = layer.pre_feedforward_layernorm if four_norms else layer.post_attention_layernorm
    return Layer(
        attention_norm=_rms(layer.input_layernorm),
        qkv=linears.qkv,
        query_norm=_rms(attention.q_norm) if hasattr(attention, "q_norm") else None,
        key_norm=_rms(attention.k_norm) if hasattr(attention, "k_norm") else None,
        rotary=rotaries.get(kind, 0),
        form=AttentionForm(
            scale=float(attention.scaling),
            window=int(config.sliding_window) if kind == "sliding_attention" else 0,
            soft_cap=getattr(config, "attn_logit_softcapping", None) or 0.0,
        ),
        out=linears.out,
        after_attention_norm=_rms(layer.post_attention_layernorm) if four_norms else None,
        ffn_norm=_rms(ffn_norm),
        up=linears.up,
        activation=None if linears.up_is_activated else _activation(_activation_name(config)),
        down=linears.down,
        after_ffn_norm=_rms(layer.post_feedforward_layernorm) if four_norms else None,
    )


def _in_one_call(decoder: Decoder) -> PackedDecoder | None:
    """Return the decoder for the kernel that computes all of it; None where that does not fit."""
    layers = [_packed_layer(layer, decoder) for layer in decoder.layers]
    head, norm, words = decoder.head, decoder.norm, decoder.embedding
    is_simple = decoder.embedding_scale == 1 and not decoder.logit_softcap
    if not is_simple or len(decoder.rotaries) != 1 or None in layers:
        return None
    if not isinstance(head, PackedLinear | PanelledDense) or not isinstance(norm, RmsNorm):
        return None
    return PackedDecoder(
        layers=tuple(layer for layer in layers if layer is not None),
        norm=norm.weight,
        eps=norm.eps,
        words=words.weight if isinstance(words, Table) else None,
        head=head,
        angles=(decoder.rotaries[0].cos, decoder.rotaries[0].sin),
    )


def _packed_layer(layer: Layer, decoder: Decoder) -> PackedLayer | None:
    """Return the layer for the kernel; None where its weights are torch's own, or it is of another form."""
    linears = [layer.qkv, layer.out, layer.up, layer.down]
    packed = [linear for linear in linears if isinstance(linear, PackedLinear | PanelledDense)]
    first, second = layer.attention_norm, layer.ffn_norm
    if len(packed) != len(linears) or layer.after_ffn_norm is not None:
        return None
    if layer.activation not in {None, F.silu} or not layer.is_gated:
        return None
    if not isinstance(first, RmsNorm) or not isinstance(second, RmsNorm):
        return None
    qkv, out, up, down = packed
    return PackedLayer(
        attention_norm=first.weight,
        ffn_norm=second.weight,
        query_norm=None if layer.query_norm is None else layer.query_norm.weight,
        key_norm=None if layer.key_norm is None else layer.key_norm.weight,
        eps=first.eps,
        qkv=qkv,
        out=out,
        up=up,
        down=down,
        heads=decoder.heads,
        kv_heads=decoder.kv_heads,
        form=layer.form,
    )


def _rotaries(
    body: Module, context_tokens: int, dtype: torch.dtype
) -> tuple[dict[str, int], tuple[Rotary, ...]]:
    """Return the tables of angles, and which of them each type of layer uses."""
    rotary: Module = body.rotary_emb
    kinds = rotary.rope_type if isinstance(rotary.rope_type, dict) else {"": rotary.rope_type}
    names: dict[str, int] = {}
    tables = []
    for number, (name, kind) in enumerate(kinds.items()):
        if kind not in _STATIC_ROPES:
            raise ArchitectureUnsupported("kind of rotary position", kind)
        prefix = f"{name}_" if name else ""
        frequencies = getattr(rotary, f"{prefix}inv_freq").float()  # (D/2)
        scaling = getattr(rotary, f"{prefix}attention_scaling")
        positions = torch.arange(context_tokens, device=frequencies.device).float()
        angles = positions[:, None, None] * frequencies  # (C, 1, D/2)
        names[name] = number
        tables.append(
            Rotary(cos=(angles.cos() * scaling).to(dtype), sin=(angles.sin() * scaling).to(dtype))
        )
    return names, tuple(tables)


def _read_gpt2(model: PreTrainedModel, context_tokens: int) -> Decoder:
    config, body = model.config, _body(model)
    for name in ("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn"):
        if getattr(config, name):
            raise ArchitectureUnsupported("GPT-2 with", name)
    width = config.n_embd // config.n_head
    form = AttentionForm(scale=1 / math.sqrt(width) if config.scale_attn_weights else 1.0)
    return Decoder(
        embedding=Table(body.wte.weight.detach()),
        positions=body.wpe.weight.detach(),
        layers=tuple(
            Layer(
                attention_norm=_layer_norm(block.ln_1),
                qkv=_transposed(block.attn.c_attn),
                form=form,
                out=_transposed(block.attn.c_proj),
                ffn_norm=_layer_norm(block.ln_2),
                up=_transposed(block.mlp.c_fc),
                is_gated=False,
                activation=_activation(config.activation_function),
                down=_transposed(block.mlp.c_proj),
            )
            for block in body.h
        ),
        norm=_layer_norm(body.ln_f),
        head=_dense(model.lm_head),
        heads=config.n_head,
        kv_heads=config.n_head,
        head_dim=width,
        context_tokens=context_tokens,
    )


def _body(model: PreTrainedModel) -> Module:
    return model.get_decoder()  # type: ignore[no-untyped-call]  # transformers leaves it out


def _activation_name(config: Any) -> str | None:
    return getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None)


def _activation(name: str | None) -> Callable[[Tensor], Tensor]:
    if name not in _ACTIVATIONS:
        raise ArchitectureUnsupported("activation", name)
    return _ACTIVATIONS[name]


def _rms(norm: Module) -> Norm:
    weight = norm.weight.detach()
    if type(norm).__name__.startswith("Gemma"):
        return RmsNorm((1.0 + weight.float()).to(weight.dtype), norm.eps)
    return RmsNorm(weight, norm.variance_epsilon)


def _layer_norm(norm: nn.LayerNorm) -> LayerNorm:
    return LayerNorm(norm.weight.detach(), norm.bias.detach(), norm.eps)


def _linear(weight: Tensor, bias: Tensor | None) -> Dense | PanelledDense:
    """Return the layer for our kernel where that takes it, else for torch."""
    return panelled(weight, bias) if is_panelled(weight) else Dense(weight, bias)


def _dense(linear: Module) -> Dense | PanelledDense:
    bias = getattr(linear, "bias", None)
    return _linear(linear.weight.detach(), None if bias is None else bias.detach())


def _fused(*linears: Module) -> Dense | PanelledDense:
    """Return several linear layers of one input as one."""
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return _linear(
        torch.cat([linear.weight.detach() for linear in linears]),
        torch.cat([bias.detach() for bias in biases]) if biases else None,
    )


def _transposed(conv: Module) -> Dense | PanelledDense:
    """Return GPT-2's Conv1D, whose weight is (I, O), as a linear layer."""
    return _linear(conv.weight.detach().t().contiguous(), conv.bias.detach())
