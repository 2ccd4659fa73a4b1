"""A second stage: it goes on from a trained starter, with pairs and with words that count for more."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
)

from inferencecloud.artifacts.manifest import verify_artifact, write_manifest
from inferencecloud.evaluation.limits import Limit, has_any, has_phrase
from inferencecloud.training import command, starter
from inferencecloud.training.batches import BatchPlan
from inferencecloud.training.corpus import Corpus, read_corpus
from inferencecloud.training.examination import Extent
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.recipe import FIRST, SECOND
from inferencecloud.training.generator.records import avoidance_pair, product_exercise
from inferencecloud.training.starter import CheckpointOfAnotherTraining, Machine
from inferencecloud.training.tokens import encode_exercise, mark_decisive, train_tokenizer
from tests.training.records import write_posts, write_records


def _llama(**other: object) -> LlamaConfig:
    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "vocab_size": 400}
    return LlamaConfig(**{**size, "num_attention_heads": 2, "tie_word_embeddings": True, **other})


CPU = Machine(device="cpu", bf16=False)
SIZE = {"width": 32, "layers": 1, "heads": 2, "ffn": 48, "vocabulary": 400}
QUICK = Extent(products=2, posts=2, invented=2, samples=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    path = write_records(folder / "products.jsonl", 120)
    path.write_text(path.read_text().replace("it lasts.", "it lasts. A stylish and durable one."))
    write_posts(folder / "posts.jsonl.gz", 40)
    return folder


@pytest.fixture(scope="module")
def corpus(data: Path) -> Corpus:
    return read_corpus(data)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["Meet the lamp. It is smart."], vocabulary=300, context_tokens=64)


@pytest.fixture(autouse=True)
def _one_thread_and_short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(BatchPlan.round, "__kwdefaults__", {"done": 0.0, "examples": 12})
    monkeypatch.setattr(command.session, "MOST_EXERCISES", 80)
    monkeypatch.setattr(command, "choose_machine", lambda **_options: CPU)


def test_a_pair_differs_in_the_forbidden_words_alone(corpus: Corpus) -> None:
    rng = random.Random(3)
    for _ in range(60):
        product = rng.choice(corpus.train.products)
        one, other = avoidance_pair(rng, product, recipe=SECOND)
        assert one.kind == other.kind
        assert set(one.avoid).isdisjoint(other.avoid)
        assert one.completion != other.completion
        for mine, its in ((one, other), (other, one)):
            assert not has_any(mine.completion, mine.avoid)
            assert has_any(mine.completion, its.avoid)
            assert has_any(mine.completion, mine.replacements)
            assert all(word in mine.prompt for word in mine.avoid)
            assert mine.source == product.digest


def test_the_second_stage_forbids_more_and_asks_for_more_lengths(corpus: Corpus) -> None:
    first, second = (
        replace(corpus.train, recipe=recipe).exercises(random.Random(5), 600, done=0.9)
        for recipe in (FIRST, SECOND)
    )
    for figure in (lambda e: bool(e.replacements), lambda e: e.limit is not None):
        assert sum(map(figure, second)) > 1.3 * sum(map(figure, first))


def test_a_description_that_is_cut_keeps_whole_sentences_and_its_facts(corpus: Corpus) -> None:
    cut = replace(SECOND, cut=1.0, freed=0.0)
    rng = random.Random(6)
    lengths = set()
    for _ in range(80):
        exercise = product_exercise(rng, rng.choice(corpus.train.products), "long", recipe=cut)
        assert exercise.completion.endswith((".", "!")), exercise
        assert all(has_phrase(exercise.completion, fact) for fact in exercise.facts)
        lengths.add(sum(words in exercise.completion for words in ("long evenings", "A stylish")))
    assert lengths == {1, 2}  # at least one sentence stays, and often not both


def _decisive(tokenizer: PreTrainedTokenizerFast, exercise: Exercise) -> tuple[list[str], bool]:
    ids, prompt = encode_exercise(tokenizer, exercise)
    marks = mark_decisive(tokenizer, exercise)
    assert len(marks) == len(ids) - prompt
    text = "".join(
        tokenizer.decode([token]) if mark else "~"
        for token, mark in zip(ids[prompt:-1], marks[:-1], strict=True)
    )
    return [piece.strip() for piece in text.split("~") if piece], marks[-1]


def test_decisive_are_facts_replacements_and_where_a_text_of_a_wished_length_may_end(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    exercise = Exercise(
        kind="short",
        messages=(("user", "x"),),
        completion="Meet Oru. A very smart lamp for $4.50! It hums.",
        facts=("oru", "$4.50"),
        replacements=("smart",),
    )
    assert _decisive(tokenizer, exercise) == (["Oru", "smart", "$4.50"], False)
    wished = replace(exercise, limit=Limit(unit="sentences", low=3, high=3), facts=())
    words, end = _decisive(tokenizer, wished)
    assert end
    assert [word[0] for word in words] == ["A", "s", "I"]


def test_decisive_words_count_for_more_in_the_loss(corpus: Corpus, tmp_path: Path) -> None:
    sources = replace(corpus.train, recipe=replace(SECOND, emphasis=4.0))
    trainer = command.session.open_training(
        sources,
        tmp_path,
        shape=starter.StarterShape(**SIZE),
        schedule=starter.Schedule(steps=4, tokens_per_step=600),
        machine=CPU,
    )
    batch = trainer.plan.round(0)[0]
    assert batch.weights is not None
    assert set(batch.weights.unique().tolist()) == {1.0, 4.0}
    assert not (batch.weights > 1)[~batch.answers].any()
    nats = -trainer.model(batch.ids).logits.double().log_softmax(-1)[:, :-1]
    nats = nats.gather(2, batch.ids[:, 1:, None]).squeeze(2)
    weights = (batch.weights * batch.answers)[:, 1:]
    expected = (nats * weights).sum() / weights.sum()
    loss = starter.answer_loss(trainer.model, batch, machine=CPU)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def _order(data: Path, folder: Path, **other: object) -> command.Order:
    settings: dict[str, object] = {"shape": SIZE, "steps": 6, "tokens_per_step": 400}
    return command.Order(
        data=data, out=folder / "out", work=folder / "work", threads=1, extent=QUICK,
        **{**settings, **other},  # type: ignore[arg-type]
    )  # fmt: skip


def test_it_goes_on_from_the_first_ones_weights_keeps_its_tokens_and_says_so(
    data: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    command.carry_out(_order(data, tmp_path / "first"), say=said.append)
    first = tmp_path / "first" / "out"
    second = _order(data, tmp_path / "second", start=first, shape={}, stop_at=1)
    begun = command._open(replace(second, work=tmp_path / "begun"))
    tensors = starter.load_file(str(first / "model.safetensors"))
    for name, parameter in begun.model.named_parameters():
        assert torch.equal(parameter, tensors[name].float()), name
    command.carry_out(second, say=said.append)
    assert said[-1].startswith("Stopped at step 1 of 6")
    command.carry_out(replace(second, stop_at=None), say=said.append)
    assert "Going on at step 1 of 6." in said
    out = tmp_path / "second" / "out"
    assert (out / "tokenizer.json").read_bytes() == (first / "tokenizer.json").read_bytes()
    digest = verify_artifact(first).manifest.digest
    assert verify_artifact(out).manifest.digest != digest
    card = (out / "README.md").read_text()
    assert f"It went on from the model {digest[:12]}, in a second stage." in card
    assert "`manage.py train_starter --from`: 6 steps" in card
    with pytest.raises(CheckpointOfAnotherTraining):  # of another model's stage
        command.carry_out(replace(second, start=out), say=said.append)


def test_a_folder_with_another_training_is_refused_and_left_as_it_is(
    data: Path, tmp_path: Path
) -> None:
    command.carry_out(_order(data, tmp_path / "first"), say=str)
    other = {**SIZE, "vocabulary": 380}
    command.carry_out(_order(data, tmp_path / "other", shape=other, stop_at=1), say=str)
    before = {path: path.read_bytes() for path in (tmp_path / "other").rglob("*") if path.is_file()}
    with pytest.raises(CheckpointOfAnotherTraining, match="--fresh"):
        command.carry_out(
            _order(data, tmp_path / "other", start=tmp_path / "first" / "out"), say=str
        )
    after = {path: path.read_bytes() for path in (tmp_path / "other").rglob("*") if path.is_file()}
    assert after == before != {}


def test_there_must_be_a_model_to_go_on_from(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Wanted a model at .*nowhere"):
        call_command(
            "train_starter", f"--data={data}", f"--work={tmp_path}", f"--from={tmp_path / 'nowhere'}"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("config", "dtype", "found"),
    [
        (GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=400), "bfloat16", "GPT2LMHeadModel"),
        (_llama(num_key_value_heads=1), "bfloat16", "a Llama with num_key_value_heads = 1"),
        (_llama(rms_norm_eps=1e-3), "bfloat16", "a Llama with rms_norm_eps = 0.001"),
        (_llama(), "float16", "LlamaForCausalLM in float16"),
    ],
)
def test_no_other_model_is_gone_on_from(
    data: Path, tmp_path: Path, config: PreTrainedConfig, dtype: str, found: str
) -> None:
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(tmp_path / "other")
    write_manifest(tmp_path / "other", name="Other", licence="MIT", context_tokens=64)
    with pytest.raises(CommandError, match=f"Wanted a starter to go on from .* is {found}"):
        call_command(
            "train_starter", f"--data={data}", f"--work={tmp_path / 'work'}", f"--from={tmp_path / 'other'}"
        )  # fmt: skip
    assert not (tmp_path / "work" / "tokenizer").exists()
