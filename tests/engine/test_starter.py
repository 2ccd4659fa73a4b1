"""The model that comes with the source: whole, small, loadable without us, and it writes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inferencecloud.artifacts.manifest import verify_artifact
from inferencecloud.engine import Message, OutputOf, Request, Role, Sampling, Text
from inferencecloud.engine.loading import open_model
from inferencecloud.engine.local import EngineConfig, TransformersEngine
from tests.engine.asking import Written, collect

STARTER = Path(__file__).parents[2] / "models" / "starter"
BRIEF = (
    "Product: Velora Reading Lamp\nCategory: homedecor, lighting\n"
    "Price: $49.50\nDetails: brass base, warm light"
)

KINDS = {
    "tag": "Write a tag line for",
    "short": "Write a short description of",
    "long": "Write a long description of",
}


@pytest.fixture(scope="module")
def starter() -> Iterator[TransformersEngine]:
    engine = TransformersEngine(EngineConfig(threads=1, device="cpu"))
    engine.load(STARTER, key="starter")
    yield engine
    engine.close()


def _request(
    request_id: str, *segments: Text | OutputOf, sampling: Sampling | None = None
) -> Request:
    voice = "You are the company's writer. Warm and plain."
    return Request(
        id=request_id,
        model="starter",
        messages=(Message(Role.SYSTEM, (Text(voice),)), Message(Role.USER, segments)),
        sampling=sampling or Sampling(temperature=0.6, top_p=0.9, seed=4, max_new_tokens=200),
    )


def test_the_starter_is_whole_and_small() -> None:
    manifest = verify_artifact(STARTER).manifest
    weights = sum(
        entry.size_bytes for name, entry in manifest.files.items() if name.endswith(".safetensors")
    )
    assert weights <= 20_000_000
    assert manifest.parameters <= 10_000_000
    assert (manifest.dtype, manifest.architecture) == ("bfloat16", "LlamaForCausalLM")
    assert manifest.has_chat_template
    assert manifest.context_tokens >= 1024
    assert "README.md" in manifest.files


def test_plain_transformers_loads_it_and_writes_the_same(starter: TransformersEngine) -> None:
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    model = AutoModelForCausalLM.from_pretrained(STARTER, dtype=torch.float32)
    request = _request(
        "a",
        Text(f"Write a short description of:\n{BRIEF}"),
        sampling=Sampling(max_new_tokens=40, guidance_scale=1.0),
    )
    chat = [{"role": m.role.value, "content": m.segments[0].text} for m in request.messages]  # type: ignore[union-attr]
    prompt = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**prompt, max_new_tokens=40, do_sample=False)[
        0, prompt["input_ids"].shape[1] :
    ]
    written = collect(starter.submit([request]))["a"]
    assert written.text == tokenizer.decode(output, skip_special_tokens=True)
    assert len(written.text.split()) >= 5


def test_a_chain_of_four_cells_is_written(starter: TransformersEngine) -> None:
    stage = starter.submit(
        [
            _request("message", Text(f"Write the key message for:\n{BRIEF}")),
            _request("tag", Text(f"Write a tag line for:\n{BRIEF}")),
            _request("post", Text("Write a short post from this message:\n"), OutputOf("message")),
            _request("long", Text(f"Write a long description of:\n{BRIEF}")),
        ]
    )
    written: dict[str, Written] = collect(stage)
    for name, entry in written.items():
        assert entry.finish is not None
        assert entry.finish.reason.succeeded, name
        assert len(entry.text.split()) >= 3, name


def test_kinds_of_text_differ_in_length_in_the_median(starter: TransformersEngine) -> None:
    # In the median only: now and then the model answers a wish for a long text with a line (see its card).
    seeds = range(5)
    requests = [
        _request(
            f"{kind}-{seed}",
            Text(f"{wish}:\n{BRIEF}"),
            sampling=Sampling(temperature=0.6, top_p=0.9, seed=seed, max_new_tokens=160),
        )
        for kind, wish in KINDS.items()
        for seed in seeds
    ]
    written = collect(starter.submit(requests))
    tag, short, long = (
        statistics.median(len(written[f"{kind}-{seed}"].text) for seed in seeds) for kind in KINDS
    )
    assert tag < 100 < short < long


def test_loading_draws_no_progress_bar_into_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    open_model(STARTER, device="cpu")
    assert "Loading weights" not in capfd.readouterr().err
