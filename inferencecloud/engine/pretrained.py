"""Let transformers load a quantized artifact: once this is imported, `from_pretrained(folder)` takes it.

Transformers makes the model; its linear layers become ours, over the mapped file. Queries, keys and values
are panels of one layer, and so to the bit what the engine computes; attention, norms and rotary positions are
transformers' own. It computes in float32 on a CPU, whatever type is asked for, and cannot be trained.

Nothing is verified here, as for any folder that is given to transformers; `verify_artifact` does.

Shapes: B batch, T tokens, I inputs, O outputs, E model width.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from inferencecloud.artifacts.packed import FILE_NAME, FORMAT
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.artifact import (
    ARCHITECTURES,
    EMBEDDING,
    HEAD,
    PackedModel,
    read_packed_model,
)
from inferencecloud.engine.kernels.linear import PANEL_ROWS, PackedLinear

_log = logging.getLogger(__name__)


class PackedRefused(EngineError, ValueError):
    """Transformers cannot load the quantized artifact in the way that was asked for."""


class Projection(nn.Module):
    """Some consecutive outputs of a packed layer, as a module: (..., I) -> (..., O)."""

    def __init__(self, layer: PackedLinear, begin: int = 0, end: int | None = None) -> None:
        super().__init__()
        self._outputs = (begin % PANEL_ROWS, None)
        self._layer = layer if end is None else _outputs(layer, begin, end)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs for every row."""
        y = self._layer(x.reshape(-1, x.shape[-1]))[:, slice(*self._outputs)]
        return y.reshape(*x.shape[:-1], y.shape[-1])


class FeedForward(nn.Module):
    """A gated feed forward of packed layers: (B, T, E) -> (B, T, E)."""

    def __init__(self, up: PackedLinear, down: PackedLinear) -> None:
        super().__init__()
        self.gate_up_proj, self.down_proj = Projection(up), Projection(down)

    def forward(self, x: Tensor) -> Tensor:
        """Return down(silu(gate) * up)."""
        made: Tensor = self.down_proj(self.gate_up_proj(x))
        return made


class HeadEmbedding(nn.Module):
    """The rows of a head as the embedding: (B, T) int64 -> (B, T, E)."""

    def __init__(self, head: PackedLinear) -> None:
        super().__init__()
        self._head = head

    def forward(self, ids: Tensor) -> Tensor:
        """Return the row of each id."""
        return self._head.rows(ids.flatten()).view(*ids.shape, -1)


@register_quantization_config(FORMAT)
@dataclass(kw_only=True)
class PackedConfig(QuantizationConfigMixin):
    """What config.json says of a quantized artifact."""

    bits: int
    group: int | None = None  # with 4 bits
    quant_method: str = FORMAT  # type: ignore[assignment]  # an enum there, of their own methods


@register_quantizer(FORMAT)
class PackedQuantizer(HfQuantizer):
    """Puts packed layers into a model of transformers while it is made."""

    def validate_environment(self, *_args: object, **options: Any) -> None:
        """Refuse another device than the CPU, and weights that are not quantized yet."""
        where = options.get("device_map")
        devices = set(where.values()) if isinstance(where, dict) else {where}
        if not {str(device) for device in devices} <= {"None", "cpu"}:
            raise PackedRefused(f"Wanted the CPU for packed weights, got the device map {where}.")
        if not self.pre_quantized:
            raise PackedRefused(
                "Wanted an artifact that is quantized already: `manage.py quantize` makes one."
            )

    def update_attn_implementation(self, config: Any) -> Any:
        """Name the file of the weights; this hook alone sees the configuration before they are looked for."""
        config.transformers_weights = FILE_NAME
        return config

    def update_dtype(self, dtype: torch.dtype) -> torch.dtype:
        """Return float32: what packed layers take and give."""
        if dtype != torch.float32:
            _log.info("Packed weights are computed with in float32, not in %s.", dtype)
        return torch.float32

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **options: Any) -> None:
        if type(model).__name__ not in ARCHITECTURES:
            raise PackedRefused(
                f"Wanted one of {sorted(ARCHITECTURES)} to load packed weights into, "
                f"got {type(model).__name__}."
            )
        with torch.device("cpu"):  # around this, tensors are made without memory
            _fill_(model, read_packed_model(Path(options["checkpoint_files"][0]).parent))

    def _process_model_after_weight_loading(
        self, model: PreTrainedModel, **_options: object
    ) -> PreTrainedModel:
        model.requires_grad_(requires_grad=False)
        return model

    def is_serializable(self) -> bool:
        """Return False; the log says what to do instead."""
        _log.warning("Packed weights are not written again: copy the folder that they came from.")
        return False

    @property
    def is_trainable(self) -> bool:
        """Return False: packed layers have no gradients."""
        return False


def _fill_(model: Any, packed: PackedModel) -> None:  # Any: modules' attributes have no types
    """Put the packed layers where the model has its own; what is left is for transformers to load."""
    body = model.model
    attention = body.layers[0].self_attn
    ends = [0]
    for part in (attention.q_proj, attention.k_proj, attention.v_proj):
        ends.append(ends[-1] + part.out_features)
    for number, layer in enumerate(body.layers):
        linears, prefix = packed.layers, f"model.layers.{number}."
        qkv = linears[f"{prefix}self_attn.qkv_proj"]
        for name, begin, end in zip("qkv", ends, ends[1:], strict=False):
            setattr(layer.self_attn, f"{name}_proj", Projection(qkv, begin, end))
        layer.self_attn.o_proj = Projection(linears[f"{prefix}self_attn.o_proj"])
        layer.mlp = FeedForward(
            linears[f"{prefix}mlp.gate_up_proj"], linears[f"{prefix}mlp.down_proj"]
        )
    model.lm_head = Projection(packed.layers[HEAD])
    if f"{EMBEDDING}.weight" not in packed.tensors:
        body.embed_tokens = HeadEmbedding(packed.layers[HEAD])
    # The head is a layer of its own now, and its tensors are no parameters to look for.
    model._tied_weights_keys = model.all_tied_weights_keys = {}  # noqa: SLF001 - no other way
    parts = [f"{name}.{part}" for name in packed.layers for part in ("panels", "row_scale", "bias")]
    model._keys_to_ignore_on_load_unexpected |= {f"^{re.escape(part)}$" for part in parts}  # noqa: SLF001


def _outputs(layer: PackedLinear, begin: int, end: int) -> PackedLinear:
    """Return the panels that hold outputs `begin` to `end`, from the beginning of a panel, without a copy."""
    first, last = begin // PANEL_ROWS, -(-end // PANEL_ROWS)
    rows = slice(first * PANEL_ROWS, last * PANEL_ROWS)
    return PackedLinear(
        shape=replace(layer.shape, outputs=end - rows.start),
        panels=layer.panels[first:last],
        row_scale=layer.row_scale[rows],
        bias=None if layer.bias is None else layer.bias[rows],
    )
