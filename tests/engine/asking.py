"""Build requests and collect what comes of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from inferencecloud.engine import (
    Engine,
    Finish,
    Message,
    OutputOf,
    Request,
    Resume,
    Role,
    Sampling,
    Segment,
    Stage,
    Text,
)


@dataclass
class Written:
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    deltas: int = 0
    finish: Finish | None = None


def ask(
    request_id: str,
    *segments: Segment | str,
    sampling: Sampling | None = None,
    resume: Resume | None = None,
    model: str = "tiny",
) -> Request:
    parts = tuple(Text(part) if isinstance(part, str) else part for part in segments)
    return Request(
        id=request_id,
        model=model,
        messages=(Message(Role.USER, parts),),
        sampling=sampling or Sampling(max_new_tokens=24),
        resume=resume,
    )


def collect(stage: Stage) -> dict[str, Written]:
    written = {request_id: Written() for request_id in stage.request_ids}
    for delta in stage:
        entry = written[delta.request_id]
        assert entry.finish is None, "nothing follows a finish"
        entry.text += delta.text
        entry.token_ids += delta.token_ids
        entry.deltas += 1
        entry.finish = delta.finish
    assert all(entry.finish for entry in written.values())
    return written


def write(engine: Engine, request: Request) -> Written:
    return collect(engine.submit([request]))[request.id]


__all__ = ["OutputOf", "Written", "ask", "collect", "write"]
