"""Arithmetic that is worth its own machine code; with torch where there is no compiler.

Compiled at set-up (build.py), loaded on first use (native.py).
"""

from inferencecloud.engine.kernels.artifact import (
    NotQuantizable,
    PackedModel,
    is_packed,
    quantize_artifact,
    read_packed_model,
)
from inferencecloud.engine.kernels.attention import (
    AttentionForm,
    InvalidKernelInput,
    RaggedBatch,
    paged_attention,
    write_kv,
)
from inferencecloud.engine.kernels.layer import KernelMissing, PackedDecoder, PackedLayer, Places
from inferencecloud.engine.kernels.linear import (
    LinearShape,
    PackedLinear,
    pack,
    pack_int4,
    pack_int8,
)
from inferencecloud.engine.kernels.low_rank import AdaptedLayer, LayerAdapters, LowRank, Part
from inferencecloud.engine.kernels.native import (
    Availability,
    InstructionPathUnknown,
    available,
    use_path,
)
from inferencecloud.engine.kernels.pages import BLOCK_TOKENS, BYTES, page_shape
from inferencecloud.engine.kernels.quantized import Codes, quantize

__all__ = [
    "BLOCK_TOKENS",
    "BYTES",
    "AdaptedLayer",
    "AttentionForm",
    "Availability",
    "Codes",
    "InstructionPathUnknown",
    "InvalidKernelInput",
    "KernelMissing",
    "LayerAdapters",
    "LinearShape",
    "LowRank",
    "NotQuantizable",
    "PackedDecoder",
    "PackedLayer",
    "PackedLinear",
    "PackedModel",
    "Part",
    "Places",
    "RaggedBatch",
    "available",
    "is_packed",
    "pack",
    "pack_int4",
    "pack_int8",
    "page_shape",
    "paged_attention",
    "quantize",
    "quantize_artifact",
    "read_packed_model",
    "use_path",
    "write_kv",
]
