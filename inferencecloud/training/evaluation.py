"""Look at what a trained starter writes about products it has never seen.

What it took from the brief is counted: invented names, prices, details.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inferencecloud.engine.local import EngineConfig, TransformersEngine
from inferencecloud.engine.requests import Message, Request, Role, Sampling, Text
from inferencecloud.training.briefs import find_details
from inferencecloud.training.invent import invent_price, invent_word
from inferencecloud.training.products import Product

KINDS = {
    "tag": "Write a tag line for",
    "short": "Write a short description of",
    "long": "Write a long description of",
}
_SYSTEM = "You are the company's writer. Warm and plain. Stay with the facts."
_KEY = "starter"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBrief:
    """A brief on a held-out product under an invented name."""

    brand: str
    price: str
    details: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A brief, and what the model wrote from it by kind of text."""

    brief: SampleBrief
    texts: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounding:
    """How often greedy short descriptions take up what only the brief can tell."""

    briefs: int
    name_share: float  # texts that name the invented name
    price_share: float  # texts that state the price where the brief asks for it
    detail_share: float  # details of the brief that stand in the text word for word


def sample_briefs(products: Sequence[Product], *, count: int, seed: int) -> list[SampleBrief]:
    """Return briefs on that many of the products."""
    rng = random.Random(f"{seed}:samples")  # noqa: S311 - no secret
    briefs = []
    for product in rng.sample(list(products), min(count, len(products))):
        brand, price = invent_word(rng), invent_price(rng, product.price)
        details = tuple(find_details(rng, product.copy["mid"].text, 2))
        text = (
            f"Product: {brand} {product.copy['tag'].name}\n"
            f"Category: {product.category}, {product.style}\n"
            f"Price: ${price}\n"
            f"Details: {', '.join(details)}"
        )
        briefs.append(SampleBrief(brand=brand, price=price, details=details, text=text))
    return briefs


class Reader:
    """Writes texts with an exported artifact."""

    def __init__(self, folder: Path) -> None:
        self._engine = TransformersEngine(EngineConfig())
        self.info = self._engine.load(folder, key=_KEY)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def samples(self, briefs: Sequence[SampleBrief]) -> list[Sample]:
        """Return a text of every kind for every brief."""
        sampling = Sampling(temperature=0.6, top_p=0.9, seed=1, max_new_tokens=300)
        prompts = [
            f"{instruction}:\n{brief.text}" for brief in briefs for instruction in KINDS.values()
        ]
        texts = iter(self._write(prompts, sampling))
        return [
            Sample(brief=brief, texts={kind: next(texts) for kind in KINDS}) for brief in briefs
        ]

    def grounding(self, briefs: Sequence[SampleBrief]) -> Grounding:
        """Return how much of the briefs stands in greedy short descriptions."""
        sampling = Sampling(max_new_tokens=120)
        plain = self._write([f"{KINDS['short']}:\n{brief.text}" for brief in briefs], sampling)
        priced = self._write(
            [f"{KINDS['short']}:\n{brief.text}\nMention the price." for brief in briefs], sampling
        )
        details = [
            detail.lower() in text.lower()
            for brief, text in zip(briefs, plain, strict=True)
            for detail in brief.details
        ]
        return Grounding(
            briefs=len(briefs),
            name_share=_share(
                [brief.brand in text for brief, text in zip(briefs, plain, strict=True)]
            ),
            price_share=_share(
                [f"${brief.price}" in text for brief, text in zip(briefs, priced, strict=True)]
            ),
            detail_share=_share(details),
        )

    def _write(self, prompts: Sequence[str], sampling: Sampling) -> list[str]:
        requests = [
            Request(
                id=str(number),
                model=_KEY,
                messages=(
                    Message(Role.SYSTEM, (Text(_SYSTEM),)),
                    Message(Role.USER, (Text(prompt),)),
                ),
                sampling=sampling,
            )
            for number, prompt in enumerate(prompts)
        ]
        texts = [""] * len(prompts)
        for delta in self._engine.submit(requests):
            texts[int(delta.request_id)] += delta.text
        return texts


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0
