"""A quantized artifact through transformers' own `from_pretrained`: the same bits, the same mapped file."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from inferencecloud.artifacts.packed import FILE_NAME
from inferencecloud.engine.decoder import Decoder, forward
from inferencecloud.engine.kernels import PackedModel, quantize_artifact, read_packed_model
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.pretrained import PackedConfig, PackedRefused
from inferencecloud.engine.reading import read_packed_decoder
from tests.engine.kernels.test_artifact import MODELS, _saved
from tests.engine.test_decoder import STEPS, _batch
from tests.engine.test_starter import STARTER

# Attention and norms are other code than the engine's. Where their last bits differ, an activation is rounded
# to the next of its 255 steps, and the layers after it carry that on: 2.7% of the logits' size was measured.
ROUNDED, EQUAL = 0.05, 1e-6


@pytest.fixture(scope="module", params=(8, 4))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("starter") / f"int{request.param}"
    return quantize_artifact(STARTER, target, bits=request.param).folder


def _parts(layer: torch.nn.Module, x: Tensor) -> Tensor:
    attention = layer.self_attn
    return torch.cat(
        [part(x) for part in (attention.q_proj, attention.k_proj, attention.v_proj)], dim=-1
    )


def _agree(model: PreTrainedModel, packed: PackedModel) -> None:
    """Check that every linear layer gives the bits of the engine's."""
    torch.manual_seed(1)
    for number, layer in enumerate(model.model.layers):
        own = {
            name.removeprefix(f"model.layers.{number}."): each
            for name, each in packed.layers.items()
        }
        qkv, out = own["self_attn.qkv_proj"], own["self_attn.o_proj"]
        x, gathered = torch.randn(2, 5, qkv.shape.inputs), torch.randn(2, 5, out.shape.inputs)
        assert torch.equal(_parts(layer, x).flatten(0, 1), qkv(x.flatten(0, 1)))
        assert torch.equal(layer.self_attn.o_proj(gathered)[1], out(gathered[1]))
        fed = own["mlp.down_proj"](own["mlp.gate_up_proj"](x[0]))
        assert torch.equal(layer.mlp(x)[0], fed)
    assert torch.equal(model.lm_head(x[0]), packed.layers["lm_head"](x[0]))


def test_the_linear_layers_give_the_engines_bits(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder)
    _agree(model, read_packed_model(folder))
    assert (model.dtype, model.device.type) == (torch.float32, "cpu")
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize("bits", [8, 4])
def test_every_family_loads_with_nothing_missing(tmp_path: Path, kind: str, bits: int) -> None:
    """Heads that end within a panel, biases, and an embedding of its own are among them."""
    torch.manual_seed(3)
    source = MODELS[kind]()
    for name, parameter in source.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    made = quantize_artifact(
        _saved(tmp_path / "small", source), tmp_path / "made", bits=bits, group=32
    )
    model, about = AutoModelForCausalLM.from_pretrained(made.folder, output_loading_info=True)
    assert not any(about.values())
    _agree(model, read_packed_model(made.folder))
    ids = torch.arange(20)[None]
    with torch.no_grad():
        near = torch.cosine_similarity(model(ids).logits, source(ids).logits, dim=-1)
    assert near.min() > (0.99 if bits == 8 else 0.8)


def test_the_logits_are_the_engines(folder: Path) -> None:
    whole = read_packed_decoder(read_packed_model(folder), context_tokens=256)
    parts = replace(whole, whole=None)
    model = AutoModelForCausalLM.from_pretrained(folder)
    text = AutoTokenizer.from_pretrained(folder)(
        "Write a tag line for the Velora lamp, $49.50." * 3
    )
    ids = torch.tensor(text["input_ids"])[torch.arange(80).view(2, 40) % len(text["input_ids"])]
    with torch.inference_mode():
        wanted = model(ids).logits
    assert max(_differences(whole, ids, wanted)) < ROUNDED
    by_parts = _differences(parts, ids, wanted)
    assert max(by_parts) < ROUNDED
    assert min(by_parts) < EQUAL  # where nothing was rounded to another step


def _differences(decoder: Decoder, ids: Tensor, wanted: Tensor) -> list[float]:
    """Return how far the logits lie from those of transformers, over their size."""
    memory = KvMemory(
        decoder.norm.weight,
        layers=len(decoder.layers),
        blocks=12,
        kv_heads=decoder.kv_heads,
        head_dim=decoder.head_dim,
    )
    found = []
    with torch.inference_mode():
        for spans in STEPS:
            got = forward(decoder, _batch(ids, spans), memory)
            here = torch.stack([wanted[row, end - 1] for row, (_, end) in enumerate(spans)])
            found += ((got - here).norm(dim=1) / here.norm(dim=1)).tolist()
    return found


def test_transformers_writes_with_it(folder: Path) -> None:
    model, tokenizer = (
        kind.from_pretrained(folder) for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Write a tag line for:\nProduct: Velora Reading Lamp"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    written = model.generate(**asked, max_new_tokens=24, do_sample=False)
    assert "Velora" in tokenizer.decode(written[0, asked["input_ids"].shape[1] :])


def test_the_weights_stay_where_they_are_mapped(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder)
    size = (folder / FILE_NAME).stat().st_size
    layer = model.model.layers[1]
    for module in (layer.self_attn.k_proj, layer.mlp.down_proj, model.lm_head):
        assert module._layer.panels.untyped_storage().nbytes() == size
    assert sum(parameter.nbytes for parameter in model.parameters()) < 20_000  # the norms


def test_what_it_cannot_do_is_refused(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PackedRefused, match="Wanted the CPU"):
        AutoModelForCausalLM.from_pretrained(folder, device_map="cuda")
    with pytest.raises(PackedRefused, match="got LlamaModel"):
        AutoModel.from_pretrained(folder)
    with pytest.raises(PackedRefused, match="quantized already"):
        AutoModelForCausalLM.from_pretrained(STARTER, quantization_config=PackedConfig(bits=8))
    model = AutoModelForCausalLM.from_pretrained(folder)
    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="not serializable"):
        model.save_pretrained(folder / "again")
    assert "copy the folder" in caplog.text
    assert not (folder / "again").exists()
