"""Requests for tests of the engine, and whether what came back is what transformers writes."""

from __future__ import annotations

import random
from pathlib import Path

from inferencecloud.engine import Message, OutputOf, Request, Role, Text
from tests.engine.asking import Written
from tests.engine.conftest import KEY
from tests.engine.exactness import Reference, greedy

STARTER = Path(__file__).parents[2] / "models" / "starter"
VOICE = "You are the company's writer. Warm and plain. No exclamation marks."
THINGS = ("Velora lamp", "Fjord kettle", "Brindle blanket", "Otso chair", "Nimbus bottle")
KINDS = ("Write a tag line for the", "Write a short description of the", "Shorten: the")


def brief(request_id: str, text: str, *, new_tokens: int, model: str = "starter") -> Request:
    return Request(
        id=request_id,
        model=model,
        messages=(Message(Role.SYSTEM, (Text(VOICE),)), Message(Role.USER, (Text(text),))),
        sampling=greedy(new_tokens),
    )


def briefs(count: int, new_tokens: int) -> list[Request]:
    chance = random.Random(4)
    return [
        brief(
            str(n),
            f"{chance.choice(KINDS)} {chance.choice(THINGS)}, ${chance.randint(5, 900)}, "
            f"{chance.choice(['oak', 'brass', 'wool'])}, number {n}.",
            new_tokens=chance.randint(new_tokens // 2, new_tokens),
        )
        for n in range(count)
    ]


def expect_all(reference: Reference, requests: list[Request], got: dict[str, Written]) -> None:
    texts = {request_id: written.text for request_id, written in got.items()}
    for request in requests:
        prompt = reference.prompt(request, texts)
        reference.expect(prompt, got[request.id].token_ids, request.sampling.max_new_tokens)


def chain(reference_text: str = "Meet the lamp") -> list[Request]:
    """Brief, then two that read it, then one that reads both; a system message that all share."""

    def step(request_id: str, *segments: Text | OutputOf) -> Request:
        messages = (
            Message(Role.SYSTEM, (Text("A warm light. " * 3),)),
            Message(Role.USER, segments),
        )
        return Request(id=request_id, model=KEY, messages=messages, sampling=greedy(20))

    return [
        step("a", Text(reference_text)),
        step("b", Text("Shorten: "), OutputOf("a"), Text(" (please)")),
        step("c", OutputOf("a")),
        step("d", OutputOf("b"), Text(" and "), OutputOf("c"), Text(".")),
    ]
