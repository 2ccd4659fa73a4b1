"""Check that the requests of a stage can be served in some order."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.requests import Request


class RequestIdTaken(EngineError):
    """Two requests of a stage have one id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"Each request of a stage needs an id of its own; {request_id} came twice."
        )


class SourceUnknown(EngineError):
    """A request reads the output of one that is not in its stage."""

    def __init__(self, request_id: str, source: str) -> None:
        super().__init__(
            f"The request {request_id} reads the output of {source}, which is not in its stage. "
            "Put the text in where the output exists already."
        )


class SourcesInCircle(EngineError):
    """Requests wait for one another."""

    def __init__(self, circle: Sequence[str]) -> None:
        super().__init__(f"These requests wait for one another: {' -> '.join(circle)}.")


def check_stage(requests: Sequence[Request]) -> None:
    """Raise what is wrong with the requests as a stage."""
    by_id: dict[str, Request] = {}
    for request in requests:
        if request.id in by_id:
            raise RequestIdTaken(request.id)
        by_id[request.id] = request
    for request in requests:
        for source in sorted(request.sources):
            if source not in by_id:
                raise SourceUnknown(request.id, source)
    try:
        TopologicalSorter({request.id: request.sources for request in requests}).prepare()
    except CycleError as error:
        raise SourcesInCircle(error.args[1]) from error
