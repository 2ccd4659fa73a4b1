"""A whole training in seconds: killed, gone on with, exported, read back."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from django.conf import settings
from django.core.management import CommandError, call_command
from transformers import AutoModelForCausalLM, AutoTokenizer

from inferencecloud.artifacts.manifest import verify_artifact
from inferencecloud.training import command, session, starter, study
from inferencecloud.training.batches import BatchPlan
from inferencecloud.training.corpus import Corpus, read_corpus
from inferencecloud.training.examination import Extent
from inferencecloud.training.export import export_starter
from inferencecloud.training.session import forget, open_training
from inferencecloud.training.starter import (
    CheckpointOfAnotherTraining,
    Machine,
    Progress,
    Schedule,
    StarterShape,
    Trainer,
)
from tests.training.records import write_posts, write_records

SHAPE = StarterShape(width=32, layers=1, heads=2, ffn=48, vocabulary=400)
SCHEDULE = Schedule(steps=12, tokens_per_step=600, learning_rate=1e-2)
QUICK = Extent(products=2, posts=2, invented=2, samples=3)
CPU = Machine(device="cpu", bf16=False)


@pytest.fixture(autouse=True)
def _one_thread_and_short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(BatchPlan.round, "__kwdefaults__", {"done": 0.0, "examples": 12})
    monkeypatch.setattr(session, "MOST_EXERCISES", 80)
    monkeypatch.setattr(command, "choose_machine", lambda **_options: CPU)  # it takes seconds


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_records(folder / "products.jsonl", 120)
    write_posts(folder / "posts.jsonl.gz", 40)
    return folder


@pytest.fixture(scope="module")
def corpus(data: Path) -> Corpus:
    return read_corpus(data)


def _open(
    corpus: Corpus, folder: Path, schedule: Schedule = SCHEDULE, *, hours: float | None = None
) -> Trainer:
    return open_training(
        corpus.train, folder, shape=SHAPE, schedule=schedule, machine=CPU, hours=hours
    )


def test_a_resumed_training_is_the_uninterrupted_training(corpus: Corpus, tmp_path: Path) -> None:
    losses: list[float] = []
    whole = _open(corpus, tmp_path / "whole")
    whole.run(lambda progress: losses.append(progress.loss))
    _open(corpus, tmp_path / "parts").run(lambda _progress: None, until=5)
    resumed = _open(corpus, tmp_path / "parts")
    assert resumed.progress.step == 5
    resumed.run(lambda _progress: None)
    assert resumed.progress.step == 12 == len(losses)
    assert losses[-1] < losses[0]
    assert whole.progress.round > 1
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_of_other_settings_is_refused_and_fresh_forgets_it(
    corpus: Corpus, tmp_path: Path
) -> None:
    _open(corpus, tmp_path).run(lambda _progress: None, until=1)
    other = Schedule(steps=13, tokens_per_step=600)
    with pytest.raises(CheckpointOfAnotherTraining, match="--fresh"):
        _open(corpus, tmp_path, other)
    forget(tmp_path)
    assert _open(corpus, tmp_path, other).progress.step == 0


def test_a_trained_model_is_exported_measured_and_loads_without_us(
    corpus: Corpus, tmp_path: Path
) -> None:
    trainer = _open(corpus, tmp_path / "work")
    trainer.run(lambda _progress: None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("of an older export")
    artifact = export_starter(trainer, corpus, tmp_path / "out", extent=QUICK)
    manifest = verify_artifact(tmp_path / "out").manifest
    assert manifest == artifact.manifest
    assert (manifest.dtype, manifest.licence, manifest.context_tokens) == (
        "bfloat16",
        "MIT-0",
        1024,
    )
    assert manifest.has_chat_template
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    assert model.num_parameters() == manifest.parameters
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    text = "Grüße: $49.50\n\n- naïve 🙂"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| bits per byte of the answer | " in card
    assert "12 steps" in card
    assert "Held out by the\nsha256 of the record: 12 products and 4 posts" in card
    assert "MIT-0" in card
    assert card.count("\n```\n```\n") == 3


def test_the_learning_rate_rises_and_falls_along_a_cosine() -> None:
    schedule = Schedule(steps=100, warmup=0.1, floor=0.02)
    rates = [schedule.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) > 0.95
    assert rates[50] == pytest.approx(0.51)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[99] == pytest.approx(0.02, abs=1e-3)


def test_the_loss_is_on_the_answers_alone(corpus: Corpus, tmp_path: Path) -> None:
    trainer = _open(corpus, tmp_path)
    batch = trainer.plan.round(0)[0]
    logits = trainer.model(batch.ids).logits.double().log_softmax(-1)
    total, count = 0.0, 0
    for row, answers in enumerate(batch.answers):
        for place in range(1, len(answers)):
            if answers[place]:
                total -= logits[row, place - 1, batch.ids[row, place]].item()
                count += 1
    assert starter.answer_loss(trainer.model, batch, machine=CPU).item() == pytest.approx(
        total / count, rel=1e-4
    )


def test_padding_and_prompts_are_no_answers(corpus: Corpus, tmp_path: Path) -> None:
    trainer = _open(corpus, tmp_path)
    tokenizer = trainer.plan.tokenizer
    for batch in trainer.plan.round(0):
        for ids, answers in zip(batch.ids, batch.answers, strict=True):
            learned = ids[answers].tolist()
            if not learned:  # a row that fills the batch up
                assert set(ids.tolist()) == {tokenizer.pad_token_id}
                continue
            assert learned[-1] == tokenizer.eos_token_id
            assert tokenizer.pad_token_id not in learned
            first = int(answers.nonzero()[0])
            assert tokenizer.decode([int(ids[first - 1])]) == "<|assistant|>"


def test_the_machine_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert starter.choose_machine().device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert starter.choose_machine() == Machine(device="cuda", bf16=True)


def _command(data: Path, folder: Path) -> list[str]:
    return [
        "train_starter", f"--data={data}", f"--out={folder / 'out'}", f"--work={folder / 'work'}",
        "--size=minute", "--steps=30", "--tokens-per-step=400", "--threads=1", "--checkpoint-every=0.1",
    ]  # fmt: skip


def test_an_interrupted_training_goes_on_from_its_last_checkpoint(
    corpus: Corpus, tmp_path: Path
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    schedule = replace(SCHEDULE, checkpoint_every_s=0.0)
    with pytest.raises(KeyboardInterrupt):
        _open(corpus, tmp_path, schedule).run(interrupt)
    assert _open(corpus, tmp_path, schedule).progress.step == 3


@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    slow = [*_command(data, tmp_path)[:5], "--steps=100000", *_command(data, tmp_path)[6:]]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "inferencecloud.settings.test"}
    manage = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py")]
    process = subprocess.Popen([*manage, *slow], env=environment, stdout=subprocess.PIPE)
    checkpoint = tmp_path / "work" / "checkpoint.safetensors"
    until = time.monotonic() + 90
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    said: list[str] = []

    class Out:
        def write(self, text: str) -> None:
            said.append(text)

    step = int(starter.json.loads(starter.read_checkpoint_facts(checkpoint)["progress"])["step"])
    call_command(*slow, f"--stop-at={step + 2}", stdout=Out())
    text = "".join(said)
    assert f"Going on at step {step} of 100000." in text
    assert f"Stopped at step {step + 2} of 100000" in text
    assert not math.isnan(
        starter.json.loads(starter.read_checkpoint_facts(checkpoint)["progress"])["loss"]
    )


def test_an_order_is_carried_out_to_the_model_telling_how_far_it_is(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_REPORT_EVERY_S", 0.0)
    order = command.Order(
        data=data,
        out=tmp_path / "out",
        work=tmp_path / "work",
        steps=3,
        tokens_per_step=400,
        threads=1,
        shape={"width": 32, "layers": 1, "heads": 2, "ffn": 48, "vocabulary": 400},
        extent=QUICK,
    )
    said: list[str] = []
    command.carry_out(order, say=said.append)
    assert verify_artifact(tmp_path / "out").manifest.name == "Starter"
    assert said[0].startswith("step 1/3  loss ")
    assert "min left" in said[0]
    assert said[-1].startswith("Wrote Starter (")


def test_the_command_says_when_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no file at"):
        call_command(*_command(tmp_path / "nothing.jsonl", tmp_path))


def test_as_many_steps_are_made_as_fit_the_time_and_a_resumption_keeps_them(
    corpus: Corpus, tmp_path: Path
) -> None:
    trainer = _open(corpus, tmp_path, hours=0.01)
    found = starter.json.loads((tmp_path / "steps.json").read_text())
    assert trainer.schedule.steps == max(1, int(36 / found["seconds_per_step"])) > 1
    trainer.run(lambda _progress: None, until=1)
    again = _open(corpus, tmp_path, hours=0.01)
    assert (again.schedule.steps, again.progress.step) == (trainer.schedule.steps, 1)


def test_the_mix_of_a_round_is_kept_over_a_resumption(corpus: Corpus, tmp_path: Path) -> None:
    trainer = _open(corpus, tmp_path)
    trainer.run(lambda _progress: None, until=11)
    assert 0 < trainer.progress.done < 1
    assert _open(corpus, tmp_path).progress == trainer.progress


def test_texts_alone_are_learned_without_a_prompt(corpus: Corpus, tmp_path: Path) -> None:
    bare = replace(corpus.train, instructed=False)
    trainer = open_training(bare, tmp_path, shape=SHAPE, schedule=SCHEDULE, machine=CPU)
    batch = trainer.plan.round(0)[0]
    assert batch.answers[:, 2].all()
    assert not batch.answers[:, :2].any()
    trainer.run(lambda _progress: None, until=1)
    with pytest.raises(CheckpointOfAnotherTraining):
        _open(corpus, tmp_path)


def test_a_study_trains_each_candidate_for_the_same_time_and_writes_a_table(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "CANDIDATES", {"1 x 32": SHAPE, "2 x 32": replace(SHAPE, layers=2)})
    monkeypatch.setattr(study, "_SPEED_EXERCISES", 1)
    said: list[str] = []
    order = command.Order(
        data=data, out=tmp_path / "out", work=tmp_path / "work", hours=1e-6, shape={}, threads=1
    )
    command.carry_out_study(order, tmp_path / "table.md", say=said.append)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert len(lines) == 4
    assert {line.split(" | ")[0] for line in lines[2:]} == {"| 1 x 32", "| 2 x 32"}
    assert not (tmp_path / "out").exists()
    before = len(said)
    monkeypatch.setattr(study, "_try", None)  # what is finished is not trained again
    command.carry_out_study(order, tmp_path / "table.md", say=said.append)
    assert len(said) == 2 * before
