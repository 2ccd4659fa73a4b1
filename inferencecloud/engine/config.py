"""What the batching engine may use of the machine, and how a model is set up within it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch

from inferencecloud.artifacts.manifest import Manifest
from inferencecloud.engine.blocks import BLOCK_TOKENS, BlockPool
from inferencecloud.engine.decoder import Decoder
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.artifact import is_packed, read_packed_model
from inferencecloud.engine.lane import Lane
from inferencecloud.engine.loading import open_model, open_spelling
from inferencecloud.engine.local import EngineConfig, InvalidConfig
from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.reading import (
    ArchitectureUnsupported,
    read_decoder,
    read_packed_decoder,
)
from inferencecloud.engine.runner import CacheRunner, PagedRunner, Runner
from inferencecloud.engine.scheduler import Limits, Scheduler

logger = logging.getLogger(__name__)

_MIB = 1024 * 1024


class KvMemoryTooSmall(EngineError, ValueError):
    """One text as long as the model's context would not fit."""

    def __init__(self, wanted_bytes: int, got_bytes: int) -> None:
        super().__init__(
            f"kv_bytes must be at least {wanted_bytes} for one text of this model, got {got_bytes}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingConfig(EngineConfig):
    """Threads and device as for every engine; memory and the size of a step besides."""

    kv_bytes: int = 1024 * _MIB  # keys and values of one model: never more
    limits: Limits = field(default_factory=Limits)
    dtype: torch.dtype | None = None  # None: fp32 on a CPU, the weights' own elsewhere
    models_kept: int = 4  # loaded at once; beyond, the one unused for longest goes
    stuck_after_s: float = 60.0  # a step that takes longer is reported

    def __post_init__(self) -> None:
        EngineConfig.__post_init__(self)
        for name in ("kv_bytes", "models_kept"):
            if getattr(self, name) < 1:
                raise InvalidConfig(name, getattr(self, name))


def open_lane(folder: Path, *, key: str, manifest: Manifest, config: BatchingConfig) -> Lane:
    """Return the model of a verified artifact, ready to be warmed up."""
    info = ModelInfo(
        key=key,
        name=manifest.name,
        digest=manifest.digest,
        context_tokens=manifest.context_tokens,
        prefill_tokens_per_s=0.0,
        decode_tokens_per_s=0.0,
    )
    runner, blocks = _runner(folder, info, config)
    pool = BlockPool(blocks, keeps_content=runner.shares_blocks)
    return Lane(
        info=info,
        spelling=open_spelling(folder),
        runner=runner,
        scheduler=Scheduler(pool, config.limits),
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
    blocks = min(most, config.kv_bytes // block_bytes(decoder))
    if blocks < one_context:
        raise KvMemoryTooSmall(one_context * block_bytes(decoder), config.kv_bytes)
    return PagedRunner(decoder, blocks=blocks), blocks


def block_bytes(decoder: Decoder) -> int:
    """Return the size of a block of keys and values over all layers."""
    numbers = 2 * len(decoder.layers) * decoder.kv_heads * decoder.head_dim * BLOCK_TOKENS
    return numbers * decoder.dtype.itemsize
