"""Train the starter model from nothing: a small Llama that writes product copy from a brief.

Notable: the loss is on the answers only, and only their positions pass through the vocabulary matrix;
matrices learn by Muon, everything else by AdamW; the learning rate falls along half a cosine.
A checkpoint holds weights, optimizer state and place in the data, so a resumed training goes on exactly.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from inferencecloud.artifacts.manifest import Artifact
from inferencecloud.training.batches import Batch, BatchPlan
from inferencecloud.training.muon import Muon

_ANSWER_STEP = 256
_IGNORED = -100  # as a label: no loss
# What a trained starter's config has in common with every other's, beside its size.
_SETTINGS = (
    "num_key_value_heads",
    "rope_parameters",
    "rms_norm_eps",
    "hidden_act",
    "head_dim",
    "attention_bias",
    "mlp_bias",
    "tie_word_embeddings",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterShape:
    """The size of the model."""

    width: int = 320
    layers: int = 6
    heads: int = 5
    ffn: int = 864
    vocabulary: int = 4096
    context_tokens: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long, with what steps, and from which seed."""

    steps: int = 4000
    tokens_per_step: int = 4096  # padding included; Muon costs as much for fewer
    learning_rate: float = 4e-3
    warmup: float = 0.03  # share of the steps
    floor: float = 0.02  # share of the highest rate at the end
    seed: int = 20
    start: str = ""  # digest of the model whose weights were taken up; "": trained from nothing
    checkpoint_every_s: float = 120.0

    def rate_at(self, step: int) -> float:
        """Return the learning rate as a share of the highest: a short rise, then half a cosine."""
        rise = (step + 1) / max(1.0, self.warmup * self.steps)
        way = min(1.0, step / self.steps)
        fall = self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * way))
        return min(rise, fall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the work is done."""

    device: str
    bf16: bool
    compiled: bool = False


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a training has come; written beside each checkpoint."""

    step: int = 0
    round: int = 0
    batch: int = 0  # next batch in the round
    done: float = 0.0  # share of the steps that lay behind when the round began
    tokens: int = 0  # padding included
    seconds: float = 0.0
    loss: float = math.nan  # moving mean, nats per answer token


class CheckpointOfAnotherTraining(ValueError):
    """The checkpoint belongs to a training with other settings."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The checkpoint in {folder} was made with other settings or data. "
            "Start again with --fresh, or give the same settings."
        )


class NoStarter(ValueError):
    """What a second stage was to go on from is no starter."""

    def __init__(self, start: Artifact, found: str) -> None:
        super().__init__(
            f"Wanted a starter to go on from (as train_starter writes it, in bf16 or fp32), "
            f"but {start.folder} is {found}."
        )


def build_model(
    shape: StarterShape, tokenizer: PreTrainedTokenizerFast, seed: int
) -> LlamaForCausalLM:
    """Return an untrained model."""
    torch.manual_seed(seed)
    config = _config_of(shape)
    config.bos_token_id = tokenizer.bos_token_id
    config.eos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    return LlamaForCausalLM(config)


def _config_of(shape: StarterShape) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context_tokens,
        tie_word_embeddings=True,
    )


def read_shape(start: Artifact) -> StarterShape:
    """Return the shape of a trained starter.

    Raises:
        NoStarter: It is another kind of model, or its weights are quantized.
    """
    about = start.manifest
    if about.architecture != "LlamaForCausalLM" or about.dtype not in ("bfloat16", "float32"):
        raise NoStarter(start, f"{about.architecture} in {about.dtype}")
    config = LlamaConfig.from_pretrained(start.folder, local_files_only=True)
    shape = StarterShape(
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        ffn=config.intermediate_size,
        vocabulary=config.vocab_size,
        context_tokens=config.max_position_embeddings,
    )
    ours = _config_of(shape).to_dict()
    for name in _SETTINGS:
        if config.to_dict()[name] != ours[name]:
            raise NoStarter(start, f"a Llama with {name} = {config.to_dict()[name]}")
    return shape


def choose_machine(*, compiled: bool = False) -> Machine:
    """Return the GPU where there is one, and bf16 where a measurement finds it faster."""
    if torch.cuda.is_available():
        return Machine(device="cuda", bf16=True, compiled=compiled)
    return Machine(device="cpu", bf16=_bf16_is_faster(), compiled=compiled)


def _bf16_is_faster() -> bool:
    """Time a small step of training both ways; the quickest of several is what quiet cores would show."""
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=2048,
            hidden_size=256,
            intermediate_size=704,
            num_hidden_layers=1,
            num_attention_heads=4,
        )
    )
    ids = torch.zeros((4, 64), dtype=torch.long)
    batch = Batch(ids=ids, answers=torch.ones_like(ids, dtype=torch.bool), answer_bytes=0)
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(3):
        for bf16, taken in times.items():
            started = time.perf_counter()
            torch.autograd.backward(
                answer_loss(model, batch, machine=Machine(device="cpu", bf16=bf16))
            )
            taken.append(time.perf_counter() - started)
    return min(times[True]) < 0.9 * min(times[False])


class Trainer:
    """Holds a training between its first step and its last."""

    def __init__(
        self,
        *,
        model: LlamaForCausalLM,
        plan: BatchPlan,
        schedule: Schedule,
        machine: Machine,
        folder: Path,
    ) -> None:
        self.model = model
        torch.nn.Module.to(
            model, machine.device
        )  # transformers hides the signature behind a wrapper
        if machine.device == "cpu":
            # The fused attention's backward pass takes up to three times as long at 100 to 300 tokens.
            model.set_attn_implementation("eager")
        self.plan = plan
        self.schedule = schedule
        self.machine = machine
        self.folder = folder
        self.progress = Progress()
        matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen]
        rate = schedule.learning_rate
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=rate, dtype=torch.bfloat16 if machine.bf16 else torch.float32),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self._trunk: Callable[..., Any] = model.model
        if machine.compiled:
            self._trunk = torch.compile(model.model, dynamic=True)

    def run(self, report: Callable[[Progress], None], *, until: int | None = None) -> Progress:
        """Train up to the last step, or up to the given one; checkpoint on the way and at the end."""
        last = min(self.schedule.steps, until or self.schedule.steps)
        started, saved = time.monotonic(), time.monotonic()
        before = self.progress.seconds
        batches = self._batches()
        while self.progress.step < last:
            self.step(next(batches))
            self.progress.seconds = before + time.monotonic() - started
            report(self.progress)
            if time.monotonic() - saved > self.schedule.checkpoint_every_s:
                self.save_checkpoint()
                saved = time.monotonic()
        self.save_checkpoint()
        return self.progress

    def _batches(self) -> Iterator[Batch]:
        while True:
            batches = self.plan.round(self.progress.round, done=self.progress.done)
            for batch in batches[self.progress.batch :]:
                self.progress.batch += 1
                yield batch
            self.progress.round, self.progress.batch = self.progress.round + 1, 0
            self.progress.done = min(1.0, self.progress.step / self.schedule.steps)

    def step(self, batch: Batch) -> None:
        """Learn from one batch."""
        self.model.train()
        share = self.schedule.rate_at(self.progress.step)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.schedule.learning_rate * share
        loss = answer_loss(self.model, batch, machine=self.machine, trunk=self._trunk)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        progress = self.progress
        progress.loss = value if math.isnan(progress.loss) else 0.98 * progress.loss + 0.02 * value
        progress.step += 1
        progress.tokens += batch.ids.numel()

    def save_checkpoint(self) -> None:
        """Write weights, optimizer state and progress; a kill at any moment leaves one whole checkpoint."""
        tensors = {f"model.{n}": p.detach().cpu() for n, p in self.model.named_parameters()}
        for place, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                for name, value in state.items():
                    tensors[f"optimizer.{place}.{index}.{name}"] = torch.as_tensor(value).cpu()
        contents = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        # One file holds all of it, so that the replacement is atomic.
        about = {"progress": json.dumps(asdict(self.progress)), "settings": self._settings()}
        partial = self.folder / "checkpoint.partial"
        save_file(contents, str(partial), metadata=about)
        os.replace(partial, self.folder / "checkpoint.safetensors")

    def take_weights(self, artifact: Path) -> None:
        """Go on from the weights of a trained model of the same shape."""
        trained = LlamaForCausalLM.from_pretrained(
            artifact, dtype=torch.float32, local_files_only=True
        )
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(trained.get_parameter(name))

    def load_checkpoint(self) -> bool:
        """Take up the last checkpoint; tell whether there was one."""
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return False
        about = read_checkpoint_facts(path)
        if about["settings"] != self._settings():
            raise CheckpointOfAnotherTraining(self.folder)
        tensors = load_file(str(path))
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
        for place, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimizer.{place}."):
                    _, _, index, name = key.split(".")
                    state.setdefault(int(index), {})[name] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        self.progress = Progress(**json.loads(about["progress"]))
        return True

    def _settings(self) -> str:
        settings = asdict(self.schedule)
        del settings["checkpoint_every_s"]
        settings["parameters"] = sum(p.numel() for p in self.model.parameters())
        sources = self.plan.sources
        settings["records"] = [len(sources.products), len(sources.posts)]
        settings["instructed"] = sources.instructed
        settings["recipe"] = sources.recipe.name
        return json.dumps(settings, sort_keys=True)


def read_checkpoint_facts(path: Path) -> dict[str, str]:
    """Return the metadata of a checkpoint file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        facts: dict[str, str] = json.loads(file.read(size))["__metadata__"]
    return facts


def answer_loss(
    model: LlamaForCausalLM,
    batch: Batch,
    *,
    machine: Machine,
    trunk: Callable[..., Any] | None = None,
) -> Tensor:
    """Return the mean loss over the answers' tokens, weighted where the batch says so, in nats.

    Padding stands on the right and attention is causal, so no mask is needed. The answers' positions are
    filled up to a round number, so that few shapes occur (see batches.py).
    """
    ids = batch.ids.to(machine.device)
    wanted = batch.answers.clone()
    wanted[:, 0] = False  # nothing stands before it
    places = wanted.flatten().nonzero().squeeze(1).to(machine.device)  # (A)
    filling = (0, -len(places) % _ANSWER_STEP)
    labels = F.pad(ids.flatten()[places], filling, value=_IGNORED)
    with torch.autocast(machine.device, dtype=torch.bfloat16, enabled=machine.bf16):
        hidden = (model.model if trunk is None else trunk)(
            ids, use_cache=False
        ).last_hidden_state  # (B, T, E)
        logits = model.lm_head(hidden.flatten(0, 1)[F.pad(places - 1, filling)])  # (A filled up, V)
    if batch.weights is None:
        return F.cross_entropy(logits.float(), labels, ignore_index=_IGNORED)
    weights = F.pad(batch.weights.flatten().to(machine.device)[places], filling)  # (A filled up)
    losses = F.cross_entropy(logits.float(), labels, ignore_index=_IGNORED, reduction="none")
    return (losses * weights).sum() / weights.sum()
