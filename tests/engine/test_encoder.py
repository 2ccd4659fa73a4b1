"""Texts as vectors: those of transformers, whoever else is encoded beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine.encoder import BATCH_TOKENS, Encoder, EncoderUnsupported, _batches
from tests.engine.conftest import CORPUS

KINDS: dict[str, tuple[type[PreTrainedConfig], type[Any]]] = {
    "bert": (BertConfig, BertModel),
    "roberta": (RobertaConfig, RobertaModel),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel),
}
TEXTS = [*CORPUS, "lamp", "", "A warm light " * 40, "road home evenings"]


@cache  # training breaks ties by chance
def _tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=False)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    core.train_from_iterator(CORPUS, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def _save(folder: Path, kind: str = "bert", **changes: Any) -> Path:
    config_type, model_type = KINDS[kind]
    torch.manual_seed(3)
    options = {
        "vocab_size": 300,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 70,
        "pad_token_id": 0,
        "initializer_range": 0.3,
    }
    model_type(config_type(**(options | changes))).save_pretrained(folder)
    _tokenizer().save_pretrained(str(folder))
    return folder


def _setup(folder: Path, *, pooling: dict[str, Any], **options: Any) -> None:
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"type": f"sentence_transformers.models.{k}", "path": p} for k, p in kinds]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps(options))


def _expected(
    folder: Path, texts: list[str], pool: Callable[[Tensor], Tensor], limit: int
) -> Tensor:
    """Return what transformers makes of each text alone."""
    model, tokenizer = AutoModel.from_pretrained(folder), _tokenizer()
    rows = []
    with torch.no_grad():
        for text in texts:
            ids = tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
            hidden = model(input_ids=ids["input_ids"]).last_hidden_state[0]
            rows.append(torch.nn.functional.normalize(pool(hidden), dim=0))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_that_of_transformers(tmp_path: Path, kind: str) -> None:
    folder = _save(tmp_path, kind)
    limit = 70 if kind == "bert" else 69
    vectors = Encoder.load(folder).encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 32)
    expected = _expected(folder, TEXTS, lambda x: x.mean(dim=0), limit)
    assert torch.allclose(vectors, expected, atol=1e-5)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(TEXTS)), atol=1e-6)


@pytest.mark.parametrize(
    ("config", "pool"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda x: x[0]),
        ({"pooling_mode_max_tokens": True}, lambda x: x.amax(dim=0)),
        (
            {"pooling_mode_mean_tokens": True, "word_embedding_dimension": 32},
            lambda x: x.mean(dim=0),
        ),
        ({"pooling_mode": "cls"}, lambda x: x[0]),
    ],
)
def test_pooling_is_as_the_folder_says(
    tmp_path: Path, config: dict[str, Any], pool: Callable[[Tensor], Tensor]
) -> None:
    folder = _save(tmp_path)
    _setup(folder, pooling=config, max_seq_length=12)
    vectors = Encoder.load(folder).encode(TEXTS)
    assert torch.allclose(vectors, _expected(folder, TEXTS, pool, 12), atol=1e-5)


def test_texts_are_made_small_where_the_folder_says_so(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    plain = Encoder.load(folder).encode(["meet the lamp"])
    _setup(folder, pooling={"pooling_mode_mean_tokens": True}, do_lower_case=True)
    assert torch.allclose(Encoder.load(folder).encode(["MEET the Lamp"]), plain, atol=1e-6)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(_save(tmp_path_factory.mktemp("encoder")))


def test_company_changes_nothing(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    alone = torch.cat([encoder.encode([text]) for text in TEXTS])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.allclose(encoder.encode(TEXTS[::-1]), together.flip(0), atol=1e-6)


def test_no_texts_are_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 32)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 512), max_size=200))
def test_every_text_is_in_one_batch_and_none_is_too_large(lengths: list[int]) -> None:
    batches = list(_batches(lengths))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[number] for number in batch)
        assert len(batch) == 1 or len(batch) * longest <= BATCH_TOKENS


def test_an_artifact_is_verified(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    write_manifest(folder, name="encoder", licence="none")
    Encoder.load(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError):
        Encoder.load(folder)


@pytest.mark.parametrize(
    ("pooling", "told"),
    [
        ({"pooling_mode_lasttoken": True}, "way of pooling"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "way of pooling"),
        ({}, "way of pooling"),
    ],
)
def test_another_way_of_pooling_is_refused(
    tmp_path: Path, pooling: dict[str, Any], told: str
) -> None:
    folder = _save(tmp_path)
    _setup(folder, pooling=pooling)
    with pytest.raises(EncoderUnsupported, match=told):
        Encoder.load(folder)


def test_another_module_is_refused(tmp_path: Path) -> None:
    folder = _save(tmp_path)
    (folder / "modules.json").write_text('[{"type": "x.Dense", "path": "2_Dense"}]')
    with pytest.raises(EncoderUnsupported, match="'Dense'"):
        Encoder.load(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"hidden_act": "silu"}, "activation 'silu'"), ({"is_decoder": True}, "left to right")],
)
def test_another_arithmetic_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    folder = _save(tmp_path, **changes)
    with pytest.raises(EncoderUnsupported, match=told):
        Encoder.load(folder)


def test_another_architecture_is_refused(tiny_artifact: Path) -> None:
    with pytest.raises(EncoderUnsupported, match="architecture 'llama'"):
        Encoder.load(tiny_artifact)
