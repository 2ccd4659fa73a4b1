"""Adapters of several requests over one model: each gets the text of its own merged weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inferencecloud.engine import (
    AdapterNotLoaded,
    FinishReason,
    ModelNotLoaded,
    OutputOf,
    Request,
    Sampling,
    TakesAdapters,
)
from inferencecloud.engine.adapters import (
    TARGETS,
    AdapterKeyTaken,
    AdaptersInUse,
)
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.kernels import available
from inferencecloud.engine.kernels.artifact import quantize_artifact
from inferencecloud.engine.local import TransformersEngine
from inferencecloud.engine.scheduler import Limits
from tests.engine.asking import ask, collect, write
from tests.engine.briefing import STARTER, briefs
from tests.engine.conftest import KEY
from tests.engine.exactness import Reference
from tests.engine.lora import adapting, merged, write_adapter

KINDS = {  # what each adapter has of its own
    "all": {"seed": 1, "rank": 16},
    "rank-stabilized": {"seed": 2, "rank": 5, "use_rslora": True, "lora_alpha": 4},
    "attention": {"seed": 3, "rank": 4, "targets": ("q_proj", "v_proj"), "size": 0.3},
    "feed-forward": {"seed": 4, "rank": 8, "targets": ("up_proj", "down_proj"), "size": 0.2},
}
NAMES = (None, *KINDS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return adapters of the starter model."""
    root = tmp_path_factory.mktemp("adapters")
    return {
        name: write_adapter(root / name, STARTER, **kind)  # type: ignore[arg-type]
        for name, kind in KINDS.items()
    }


@pytest.fixture(scope="module")
def references(folders: dict[str, Path]) -> dict[str | None, Reference]:
    return {name: merged(STARTER, folders[name] if name else None) for name in NAMES}


def _engine(model: Path, adapters: dict[str, Path], **config: object) -> BatchingEngine:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu", **config))  # type: ignore[arg-type]
    engine.load(model, key="starter")
    for key, folder in adapters.items():
        engine.load_adapter(folder, model="starter", key=key)
    return engine


def _mixed(count: int, new_tokens: int, *, seed: int = 0) -> list[Request]:
    chance = random.Random(seed)
    order = [NAMES[n % len(NAMES)] for n in range(count)]
    chance.shuffle(order)
    return [
        replace(request, adapter=name)
        for request, name in zip(briefs(count, new_tokens), order, strict=True)
    ]


def _expect(
    references: dict[str | None, Reference], engine: BatchingEngine, requests: list[Request]
) -> None:
    got = collect(engine.submit(requests))
    for request in requests:
        reference = references[request.adapter]
        prompt = reference.prompt(request, {})
        reference.expect(prompt, got[request.id].token_ids, request.sampling.max_new_tokens)


def test_a_mixed_batch_is_written_as_by_merged_weights(
    folders: dict[str, Path], references: dict[str | None, Reference]
) -> None:
    engine = _engine(STARTER, folders)
    try:
        requests = _mixed(10, 24)
        _expect(references, engine, requests)
        texts = {name: write(engine, replace(requests[0], adapter=name)).text for name in NAMES}
        assert len(set(texts.values())) == len(NAMES), "every adapter changes what is written"
    finally:
        engine.close()


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_a_hundred_briefs_in_random_mixes_and_schedules(
    folders: dict[str, Path], references: dict[str | None, Reference]
) -> None:
    for seed in range(4):
        chance = random.Random(seed)
        limits = Limits(
            sequences=chance.randint(2, 12),
            prefill_tokens=chance.randint(8, 256),
            mixed_tokens=chance.randint(4, 64),
        )
        engine = _engine(STARTER, folders, limits=limits)
        try:
            _expect(references, engine, _mixed(25, 48, seed=seed))
        finally:
            engine.close()
    ties = sum(reference.ties for reference in references.values())
    print(f"100 answers, {ties} ties")
    assert ties <= 2


@pytest.fixture(scope="module", params=[8, 4])
def packed(
    request: pytest.FixtureRequest,
    folders: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BatchingEngine]:
    target = tmp_path_factory.mktemp("packed") / f"int{request.param}"
    quantize_artifact(STARTER, target, bits=request.param, group=32)
    engine = _engine(target, folders)
    yield engine
    engine.close()


def _told(engine: BatchingEngine, requests: list[Request]) -> dict[str, list[object]]:
    """Return what each request was told of every token: its id, and the log-probabilities to the bit."""
    told: dict[str, list[object]] = {request.id: [] for request in requests}
    for delta in engine.submit(requests):
        told[delta.request_id] += [*delta.token_ids, *delta.logprobs]
        assert delta.finish is None or delta.finish.reason.succeeded
    return told


@pytest.mark.skipif(not available().is_native, reason="torch's rounding depends on the batch")
def test_no_mix_changes_a_bit_of_a_packed_model(packed: BatchingEngine) -> None:
    requests = [
        replace(request, sampling=replace(request.sampling, logprobs=3), owner=request.id)
        for request in _mixed(10, 16)
    ]
    alone = {}
    for request in requests:
        alone |= _told(packed, [request])
    for seed in range(3):
        mix = [replace(request, owner=f"{seed} {request.id}") for request in requests]
        random.Random(seed).shuffle(mix)
        others = [replace(one, id=f"other {one.id}", owner="other") for one in _mixed(5 * seed, 8)]
        among = _told(packed, [*mix, *others])
        assert {request.id: among[request.id] for request in requests} == alone


def test_an_adapter_of_a_packed_model_writes_its_own_text(packed: BatchingEngine) -> None:
    request = briefs(1, 24)[0]
    texts = {name: write(packed, replace(request, adapter=name)).text for name in NAMES}
    assert len(set(texts.values())) == len(NAMES)


@pytest.fixture
def tiny_adapters(tiny_artifact: Path, tmp_path: Path) -> dict[str, Path]:
    return {
        name: write_adapter(tmp_path / name, tiny_artifact, seed=seed, size=0.5)
        for seed, name in enumerate(("one", "two", "three"))
    }


@pytest.fixture
def engine(tiny_artifact: Path) -> Iterator[BatchingEngine]:
    with adapting(tiny_artifact, key=KEY) as made:
        yield made


def test_an_adapter_is_told_and_loading_it_again_is_free(
    engine: BatchingEngine, tiny_adapters: dict[str, Path]
) -> None:
    assert isinstance(engine, TakesAdapters)
    info = engine.load_adapter(tiny_adapters["one"], model=KEY, key="one")
    assert (info.key, info.model, info.rank, info.targets) == ("one", KEY, 4, TARGETS)
    assert info.size_bytes > 0
    assert engine.load_adapter(tiny_adapters["one"], model=KEY, key="one") == info
    assert engine.adapters(KEY) == [info]
    with pytest.raises(AdapterKeyTaken, match="The key one belongs to another"):
        engine.load_adapter(tiny_adapters["two"], model=KEY, key="one")
    with pytest.raises(ModelNotLoaded):
        engine.load_adapter(tiny_adapters["one"], model="nobody", key="one")


def test_what_one_adapter_has_read_no_other_finds(
    engine: BatchingEngine, tiny_adapters: dict[str, Path]
) -> None:
    for name in ("one", "two"):
        engine.load_adapter(tiny_adapters[name], model=KEY, key=name)
    prompt = "Meet the lamp that reads with you. " * 5
    hits = []
    for number, name in enumerate((None, "one", "two", "one", None)):
        before = engine.metrics().prefix_hit_tokens
        write(engine, replace(ask(str(number), prompt), adapter=name))
        hits.append(engine.metrics().prefix_hit_tokens - before > 0)
    assert hits == [False, False, False, True, True]


def test_a_chain_may_change_the_adapter_from_step_to_step(
    engine: BatchingEngine, tiny_artifact: Path, tiny_adapters: dict[str, Path]
) -> None:
    engine.load_adapter(tiny_adapters["one"], model=KEY, key="one")
    requests = [ask("a", "Meet the lamp"), replace(ask("b", OutputOf("a")), adapter="one")]
    written = collect(engine.submit(requests))
    texts = {name: each.text for name, each in written.items()}
    for request in requests:
        reference = merged(tiny_artifact, tiny_adapters["one"] if request.adapter else None)
        prompt = reference.prompt(request, texts)
        reference.expect(prompt, written[request.id].token_ids, request.sampling.max_new_tokens)


def test_the_adapter_unused_for_longest_makes_room(
    engine: BatchingEngine, tiny_adapters: dict[str, Path]
) -> None:
    for name in ("one", "two"):
        engine.load_adapter(tiny_adapters[name], model=KEY, key=name)
    write(engine, replace(ask("a", "lamp"), adapter="one"))
    engine.load_adapter(tiny_adapters["three"], model=KEY, key="three")
    assert {info.key for info in engine.adapters(KEY)} == {"one", "three"}


@pytest.mark.usefixtures("unhurried")
def test_an_adapter_in_use_never_makes_room(
    engine: BatchingEngine, tiny_adapters: dict[str, Path]
) -> None:
    for name in ("one", "two"):
        engine.load_adapter(tiny_adapters[name], model=KEY, key=name)
    long = Sampling(max_new_tokens=200, temperature=1.0, stop=("\x00",))
    stage = engine.submit(
        [replace(ask(name, "lamp", sampling=long), adapter=name) for name in ("one", "two")]
    )
    with pytest.raises(AdaptersInUse, match="more than the 2 adapters"):
        engine.load_adapter(tiny_adapters["three"], model=KEY, key="three")
    stage.cancel()
    collect(stage)
    engine.load_adapter(tiny_adapters["three"], model=KEY, key="three")


@pytest.mark.usefixtures("unhurried")
def test_an_unloaded_adapter_takes_its_requests_with_it(
    engine: BatchingEngine, tiny_adapters: dict[str, Path]
) -> None:
    engine.load_adapter(tiny_adapters["one"], model=KEY, key="one")
    long = Sampling(max_new_tokens=200, temperature=1.0, stop=("\x00",))
    stage = engine.submit(
        [replace(ask("a", "lamp", sampling=long), adapter="one"), ask("b", "lamp", sampling=long)]
    )
    engine.unload_adapter("one", model=KEY)
    ends = {delta.request_id: delta.finish for delta in stage if delta.finish}
    assert isinstance(ends["a"].error, AdapterNotLoaded)
    assert ends["b"].reason.succeeded


def test_an_adapter_that_is_not_there_fails_its_request_alone(
    engine: BatchingEngine, tiny_adapters: dict[str, Path]
) -> None:
    engine.load_adapter(tiny_adapters["one"], model=KEY, key="one")
    written = collect(
        engine.submit(
            [replace(ask("a", "lamp"), adapter="two"), ask("b", OutputOf("a")), ask("c", "lamp")]
        )
    )
    finish = written["a"].finish
    assert finish
    assert "adapter two is not loaded; loaded: one" in str(finish.error)
    assert written["b"].finish.reason is FinishReason.SOURCE_MISSING  # type: ignore[union-attr]
    assert written["c"].finish.reason.succeeded  # type: ignore[union-attr]


def test_an_engine_without_adapters_refuses_a_request_with_one(
    reference: TransformersEngine,
) -> None:
    assert not isinstance(reference, TakesAdapters)
    with pytest.raises(AdapterNotLoaded, match="one is not loaded; loaded: none"):
        reference.submit([replace(ask("a", "lamp"), adapter="one")])
