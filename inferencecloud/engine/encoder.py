"""Turn texts into vectors whose angle tells how alike they are (Reimers and Gurevych 2019, arXiv:1908.10084).

The encoder is BERT (Devlin et al. 2018, arXiv:1810.04805) as plain tensors, without module calls; MiniLM,
BGE, E5 and RoBERTa's family have its shape. How token vectors become one is read from the folder, as
sentence-transformers writes it. Texts of like length share a batch, so that little is computed for padding.

Shapes: n texts, B of a batch, T tokens, E width, H heads, D head width, F inner width.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from inferencecloud.artifacts.manifest import MANIFEST_NAME, verify_artifact
from inferencecloud.engine.errors import EngineError

# A bar would fill a log that nobody watches.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
BATCH_TOKENS = 4096

_POSITIONS_BEGIN = {"bert": False, "roberta": True, "xlm-roberta": True}  # after the padding's id
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}

Module = Any  # transformers' modules have no attributes that a type checker knows
Json = dict[str, Any]


class EncoderUnsupported(EngineError):
    """The folder holds an encoder of another kind."""

    def __init__(self, what: str, got: object) -> None:
        super().__init__(f"The encoder does not know the {what} {got!r}.")


class Pooling(StrEnum):
    """How the vectors of a text's tokens become one."""

    MEAN = "mean"
    CLS = "cls"  # that of the first token
    MAX = "max"


@dataclass(frozen=True, slots=True)
class _Dense:
    weight: Tensor  # (O, I)
    bias: Tensor  # (O)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor  # (E)
    bias: Tensor  # (E)
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: _Dense  # E -> 3 E
    out: _Dense  # E -> E
    attention_norm: _Norm
    up: _Dense  # E -> F
    down: _Dense  # F -> E
    norm: _Norm


@dataclass(frozen=True, slots=True)
class _Weights:
    words: Tensor  # (V, E)
    places: Tensor  # (C, E): position and the first segment's type, added once
    norm: _Norm
    layers: tuple[_Layer, ...]
    heads: int
    activation: Callable[[Tensor], Tensor]


class Encoder:
    """Encodes texts with one model; safe to use from several threads."""

    def __init__(self, weights: _Weights, tokenizer: Tokenizer, setup: _Setup) -> None:
        self._weights = weights
        self._tokenizer = tokenizer
        self._setup = setup
        self.dimension = weights.words.shape[1]

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Return the encoder of a folder; where it has a manifest, its files are verified.

        Raises:
            ArtifactError: The files are not what the manifest says.
            EncoderUnsupported: It is computed in a way that is not known here.
        """
        if (folder / MANIFEST_NAME).is_file():
            verify_artifact(folder)
        setup = _Setup.read(folder)
        model = AutoModel.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
        weights = _read(model)
        tokenizer = _tokenizer(folder, min(setup.max_tokens or 1 << 30, len(weights.places)))
        return cls(weights, tokenizer, setup)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return vectors (n, E) float32 of length 1, in the order of the texts; long texts are cut."""
        if self._setup.lower_case:
            texts = [text.lower() for text in texts]
        ids = [encoded.ids for encoded in self._tokenizer.encode_batch(list(texts))]
        vectors = torch.empty(len(ids), self.dimension)
        for numbers in _batches([len(one) for one in ids]):
            vectors[numbers] = self._encode([ids[number] for number in numbers])
        return vectors

    def _encode(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the vectors (B, E) of one batch."""
        lengths = torch.tensor([len(one) for one in ids])
        padded = torch.zeros(len(ids), int(lengths.max()), dtype=torch.long)  # (B, T)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = torch.tensor(one)
        real = torch.arange(padded.shape[1]) < lengths[:, None]  # (B, T)
        mask = None if bool(real.all()) else real[:, None, None]
        return F.normalize(
            _pooled(_forward(self._weights, padded, mask), real, self._setup.pooling)
        )


@dataclass(frozen=True, slots=True)
class _Setup:
    """What sentence-transformers writes beside a model; without it, the mean of the tokens."""

    pooling: Pooling = Pooling.MEAN
    max_tokens: int | None = None
    lower_case: bool = False

    @classmethod
    def read(cls, folder: Path) -> _Setup:
        """Return the setup of a folder."""
        pooling = Pooling.MEAN
        for module in _json(folder / "modules.json", []):
            kind = str(module["type"]).rpartition(".")[2]
            if kind == "Pooling":
                pooling = _pooling(_json(folder / module["path"] / "config.json", {}))
            elif kind not in {"Transformer", "Normalize"}:
                raise EncoderUnsupported("module of sentence-transformers", kind)
        options = _json(folder / "sentence_bert_config.json", {})
        return cls(pooling, options.get("max_seq_length"), bool(options.get("do_lower_case")))


def _json(file: Path, default: Any) -> Any:
    return json.loads(file.read_text()) if file.is_file() else default


def _pooling(config: Json) -> Pooling:
    """Return the one way of pooling that is switched on."""
    names = {
        "pooling_mode_cls_token": Pooling.CLS,
        "pooling_mode_mean_tokens": Pooling.MEAN,
        "pooling_mode_max_tokens": Pooling.MAX,
    }
    told = config.get("pooling_mode")
    if isinstance(told, str) and told in set(Pooling):
        return Pooling(told)
    chosen = [name for name, value in config.items() if name.startswith("pooling_mode") and value]
    if len(chosen) != 1 or chosen[0] not in names:
        raise EncoderUnsupported("way of pooling", chosen)
    return names[chosen[0]]


def _tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    found = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    backend = getattr(found, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise EncoderUnsupported("tokenizer", type(found).__name__)
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of the texts that share a batch: of like length, the padding counted in."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda n: lengths[n]):
        if batch and (len(batch) + 1) * lengths[number] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _forward(weights: _Weights, ids: Tensor, mask: Tensor | None) -> Tensor:
    """Return the vectors (B, T, E) of the tokens (B, T); the mask (B, 1, 1, T) is False on padding."""
    batch, tokens = ids.shape
    x = weights.norm(F.embedding(ids, weights.words) + weights.places[:tokens])  # (B, T, E)
    for layer in weights.layers:
        qkv = layer.qkv(x).view(batch, tokens, 3, weights.heads, -1)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)  # (B, H, T, D)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, -1)
        x = layer.attention_norm(x + layer.out(mixed))
        x = layer.norm(x + layer.down(weights.activation(layer.up(x))))
    return x


def _pooled(x: Tensor, real: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector (B, E) of each text; `real` (B, T) is False on padding."""
    if pooling is Pooling.CLS:
        return x[:, 0]
    if pooling is Pooling.MAX:
        return x.masked_fill(~real[..., None], -torch.inf).amax(dim=1)
    shares = real / real.sum(dim=1, keepdim=True)  # (B, T)
    return torch.einsum("bte,bt->be", x, shares)


def _read(model: PreTrainedModel) -> _Weights:
    """Return the weights of a model of transformers, queries, keys and values fused."""
    config: Any = model.config
    body: Module = model
    kind = config.model_type
    if kind not in _POSITIONS_BEGIN:
        raise EncoderUnsupported("architecture", kind)
    if getattr(config, "position_embedding_type", None) not in {None, "absolute"}:
        raise EncoderUnsupported("kind of positions", config.position_embedding_type)
    if config.hidden_act not in _ACTIVATIONS:
        raise EncoderUnsupported("activation", config.hidden_act)
    if getattr(config, "is_decoder", False):
        raise EncoderUnsupported("direction", "left to right")
    embeddings = body.embeddings
    begin = config.pad_token_id + 1 if _POSITIONS_BEGIN[kind] else 0
    places = embeddings.position_embeddings.weight.detach()[begin:]
    return _Weights(
        words=embeddings.word_embeddings.weight.detach(),
        places=places + embeddings.token_type_embeddings.weight.detach()[0],
        norm=_norm(embeddings.LayerNorm),
        layers=tuple(_layer(layer) for layer in body.encoder.layer),
        heads=config.num_attention_heads,
        activation=_ACTIVATIONS[config.hidden_act],
    )


def _layer(layer: Module) -> _Layer:
    attention = layer.attention.self
    parts = (attention.query, attention.key, attention.value)
    return _Layer(
        qkv=_Dense(
            torch.cat([part.weight.detach() for part in parts]),
            torch.cat([part.bias.detach() for part in parts]),
        ),
        out=_dense(layer.attention.output.dense),
        attention_norm=_norm(layer.attention.output.LayerNorm),
        up=_dense(layer.intermediate.dense),
        down=_dense(layer.output.dense),
        norm=_norm(layer.output.LayerNorm),
    )


def _dense(linear: Module) -> _Dense:
    return _Dense(linear.weight.detach(), linear.bias.detach())


def _norm(norm: Module) -> _Norm:
    return _Norm(norm.weight.detach(), norm.bias.detach(), norm.eps)
