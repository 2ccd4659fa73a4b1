"""Our remote engine at our own service writes what the engine behind it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from inferencecloud.engine import FinishReason, OutputOf, Resume, Sampling
from inferencecloud.engine.endpoint import Endpoint
from inferencecloud.engine.local import TransformersEngine
from inferencecloud.engine.remote import RemoteConfig, RemoteEngine
from tests.engine.asking import ask, collect, write
from tests.engine.conftest import KEY
from tests.engine.service.conftest import TOKEN


@pytest.fixture(scope="module")
def remote(reference: str) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(RemoteConfig(workers=3))
    endpoint = Endpoint(
        base_url=reference, model=KEY, api_key=TOKEN, extended=True, allow_private=True
    )
    assert engine.connect(endpoint, key=KEY).context_tokens == 256
    yield engine
    engine.close()


@pytest.mark.parametrize("prompt", ["Meet the lamp", "Price: $49.50", "東京 🙂"])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_new_tokens=30),
        Sampling(max_new_tokens=30, temperature=0.9, top_p=0.9, top_k=50, seed=4),
        Sampling(max_new_tokens=30, stop=("e",)),
        Sampling(max_new_tokens=30, max_chars=20),
        Sampling(max_new_tokens=30, min_p=0.1, temperature=1.0, repetition_penalty=1.3),
    ],
)
def test_the_text_is_the_same(
    remote: RemoteEngine, engine: TransformersEngine, prompt: str, sampling: Sampling
) -> None:
    near = write(engine, ask("a", prompt, sampling=sampling))
    far = write(remote, ask("a", prompt, sampling=sampling))
    assert far.text == near.text
    assert near.finish is not None
    assert far.finish is not None
    assert far.finish.reason == near.finish.reason
    if near.finish.reason is FinishReason.LENGTH:
        assert far.finish.prompt_tokens == near.finish.prompt_tokens
        assert far.finish.new_tokens == near.finish.new_tokens


def test_a_chain_is_the_same(remote: RemoteEngine, engine: TransformersEngine) -> None:
    requests = [
        ask("a", "Meet", sampling=Sampling(max_new_tokens=8)),
        ask("b", "Now ", OutputOf("a", str.upper), sampling=Sampling(max_new_tokens=8)),
    ]
    near, far = (collect(one.submit(requests)) for one in (engine, remote))
    assert {k: one.text for k, one in far.items()} == {k: one.text for k, one in near.items()}


def test_logprobs_and_json_travel(remote: RemoteEngine, engine: TransformersEngine) -> None:
    sampling = Sampling(max_new_tokens=40, logprobs=2, json_schema=json.dumps({"enum": ["a", "b"]}))
    request = ask("a", "x", sampling=sampling)
    near, far = ([d for d in one.submit([request]) if d.logprobs] for one in (engine, remote))
    assert "".join(d.text for d in far) in {'"a"', '"b"'}
    told = [[one.chosen.text for d in side for one in d.logprobs] for side in (near, far)]
    assert told[0] == told[1]


def test_an_answer_is_continued_where_it_stopped(
    remote: RemoteEngine, engine: TransformersEngine
) -> None:
    resume = Resume(token_ids=(-1, -1), text="Meet the")
    sampling = Sampling(max_new_tokens=12)
    far = write(remote, ask("a", "lamp", sampling=sampling, resume=resume))
    plain = Resume(text="Meet the")
    near = write(engine, ask("a", "lamp", sampling=sampling, resume=plain))
    assert near.text.startswith(far.text) or far.text.startswith(near.text)
