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
    BLOCK_TOKENS,
    AttentionForm,
    InvalidKernelInput,
    RaggedBatch,
    paged_attention,
    write_kv,
)
from inferencecloud.engine.kernels.layer import KernelMissing, PackedLayer
from inferencecloud.engine.kernels.linear import (
    LinearShape,
    PackedLinear,
    pack,
    pack_int4,
    pack_int8,
)
from inferencecloud.engine.kernels.native import (
    Availability,
    InstructionPathUnknown,
    available,
    use_path,
)
from inferencecloud.engine.kernels.quantized import Codes, quantize

__all__ = [
    "BLOCK_TOKENS",
    "AttentionForm",
    "Availability",
    "Codes",
    "InstructionPathUnknown",
    "InvalidKernelInput",
    "KernelMissing",
    "LinearShape",
    "NotQuantizable",
    "PackedLayer",
    "PackedLinear",
    "PackedModel",
    "RaggedBatch",
    "available",
    "is_packed",
    "pack",
    "pack_int4",
    "pack_int8",
    "paged_attention",
    "quantize",
    "quantize_artifact",
    "read_packed_model",
    "use_path",
    "write_kv",
]
