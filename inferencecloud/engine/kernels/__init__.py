"""Arithmetic that is worth its own machine code; with torch where there is no compiler.

Compiled at set-up (build.py), loaded on first use (native.py).
"""

from inferencecloud.engine.kernels.attention import (
    BLOCK_TOKENS,
    AttentionForm,
    InvalidKernelInput,
    RaggedBatch,
    paged_attention,
    write_kv,
)
from inferencecloud.engine.kernels.native import (
    Availability,
    InstructionPathUnknown,
    available,
    use_path,
)

__all__ = [
    "BLOCK_TOKENS",
    "AttentionForm",
    "Availability",
    "InstructionPathUnknown",
    "InvalidKernelInput",
    "RaggedBatch",
    "available",
    "paged_attention",
    "use_path",
    "write_kv",
]
