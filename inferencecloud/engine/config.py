"""What the batching engine may use of the machine, and how a model is set up within it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from inferencecloud.artifacts.manifest import Manifest, verify_artifact
from inferencecloud.engine.adapters import Shelf
from inferencecloud.engine.blocks import BLOCK_TOKENS, BlockPool
from inferencecloud.engine.decoder import Decoder
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels import BYTES, page_shape
from inferencecloud.engine.kernels.artifact import is_packed, read_packed_model
from inferencecloud.engine.lane import Lane
from inferencecloud.engine.loading import Spelling, open_model, open_spelling, own_guidance_scale
from inferencecloud.engine.local import EngineConfig, InvalidConfig
from inferencecloud.engine.pacing import Threads
from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.reading import (
    ArchitectureUnsupported,
    read_decoder,
    read_packed_decoder,
)
from inferencecloud.engine.runner import CacheRunner, PagedRunner, Runner
from inferencecloud.engine.scheduler import Limits, Scheduler
from inferencecloud.engine.speculation import DraftMismatch, DraftModel

logger = logging.getLogger(__name__)

_MIB = 1024 * 1024


class KvMemoryTooSmall(EngineError, ValueError):
    """One text as long as the model's context would not fit."""

    def __init__(self, wanted_bytes: int, got_bytes: int) -> None:
        super().__init__(
            f"kv_bytes must be at least {wanted_bytes} for one text of this model, got {got_bytes}."
        )


class KvBitsUnsupported(EngineError, ValueError):
    """Keys and values are kept in 8 bits, or in the type in which the model computes."""

    def __init__(self, got: int, own: str) -> None:
        super().__init__(
            f"kv_bits must be 8, or those in which a model computes ({own}), got {got}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingConfig(EngineConfig):
    """Threads and device as for every engine; memory and the size of a step besides."""

    kv_bytes: int = 1024 * _MIB  # keys and values of one model: never more
    # 8, or those in which the model computes; None: 8 where its weights are packed, else the latter.
    kv_bits: int | None = None
    limits: Limits = field(default_factory=Limits)
    dtype: torch.dtype | None = None  # None: fp32 on a CPU, the weights' own elsewhere
    models_kept: int = 4  # loaded at once; beyond, the one unused for longest goes
    adapters_kept: int = (
        16  # loaded at once for each model; beyond, the one unused for longest goes
    )
    stuck_after_s: float = 60.0  # a step that takes longer is reported
    # Folders of models that guess for others, by the name of the one that checks; of the same tokenizer.
    drafts: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        EngineConfig.__post_init__(self)
        for name in ("kv_bytes", "models_kept", "adapters_kept"):
            if getattr(self, name) < 1:
                raise InvalidConfig(name, getattr(self, name))
        if self.kv_bits is not None and self.kv_bits not in {8, 16, 32}:
            raise KvBitsUnsupported(self.kv_bits, "16 or 32")


def open_lane(folder: Path, *, key: str, manifest: Manifest, config: BatchingConfig) -> Lane:
    """Return the model of a verified artifact, ready to be warmed up."""
    info = ModelInfo(
        key=key,
        name=manifest.name,
        digest=manifest.digest,
        context_tokens=manifest.context_tokens,
        prefill_tokens_per_s=0.0,
        decode_tokens_per_s=0.0,
        guidance_scale=own_guidance_scale(folder),
    )
    runner, blocks = _runner(folder, info, config)
    pool = BlockPool(blocks, keeps_content=runner.shares_blocks)
    spelling = open_spelling(folder)
    draft = config.drafts.get(manifest.name)
    return Lane(
        info=info,
        spelling=spelling,
        runner=runner,
        scheduler=Scheduler(pool, config.limits),
        adapters=Shelf(config.adapters_kept),
        threads=Threads(most=config.resolved_threads()),
        draft_model=None
        if draft is None
        else _draft_model(draft, checks=info, spelling=spelling, config=config),
    )


def _draft_model(
    folder: Path, *, checks: ModelInfo, spelling: Spelling, config: BatchingConfig
) -> DraftModel:
    """Return the model in the folder as one that guesses; it has a quarter of the memory at most."""
    manifest = verify_artifact(folder).manifest
    own = open_spelling(folder)
    if own.vocabulary.tokenizer.get_vocab() != spelling.vocabulary.tokenizer.get_vocab():
        raise DraftMismatch(manifest.name, checks.name, "its tokenizer is another")
    info = replace(checks, name=manifest.name, context_tokens=manifest.context_tokens)
    small = replace(config, kv_bytes=max(1, config.kv_bytes // 4))
    runner, blocks = _runner(folder, info, small)
    if not isinstance(runner, PagedRunner):
        raise DraftMismatch(manifest.name, checks.name, "it runs through plain transformers")
    return DraftModel(
        runner,
        BlockPool(blocks, keeps_content=False),
        context_tokens=manifest.context_tokens,
        vocabulary_size=spelling.vocabulary.size,
    )


def _runner(folder: Path, info: ModelInfo, config: BatchingConfig) -> tuple[Runner, int]:
    """Return what computes the model, and how many blocks of keys and values it has."""
    one_context = -(-info.context_tokens // BLOCK_TOKENS)
    most = config.limits.sequences * one_context
    if is_packed(folder):
        decoder = read_packed_decoder(read_packed_model(folder), context_tokens=info.context_tokens)
    else:
        model = open_model(folder, device=config.resolved_device(), dtype=config.dtype)
        try:
            decoder = read_decoder(model, context_tokens=info.context_tokens)
        except ArchitectureUnsupported as unknown:
            logger.warning("%s runs through plain transformers, slowly: %s", info.name, unknown)
            return CacheRunner(model), most
    kv_dtype = _kv_dtype(decoder, config.kv_bits)
    size = block_bytes(decoder, kv_dtype)
    blocks = min(most, config.kv_bytes // size)
    if blocks < one_context:
        raise KvMemoryTooSmall(one_context * size, config.kv_bytes)
    return PagedRunner(decoder, blocks=blocks, kv_dtype=kv_dtype), blocks


def block_bytes(decoder: Decoder, kv_dtype: torch.dtype) -> int:
    """Return the size of a block of keys and values over all layers, their scales included."""
    page = math.prod(page_shape(decoder.head_dim, kv_dtype)) * kv_dtype.itemsize
    return 2 * len(decoder.layers) * decoder.kv_heads * page


def _kv_dtype(decoder: Decoder, bits: int | None) -> torch.dtype:
    own = decoder.dtype.itemsize * 8
    if bits is not None and bits not in {8, own}:
        raise KvBitsUnsupported(bits, f"here {own}")
    if bits is None:
        is_quantized = decoder.whole is not None and decoder.whole.is_quantized
        return BYTES if is_quantized else decoder.dtype
    return BYTES if bits == 8 else decoder.dtype
