"""Every event that travels has a schema: it is built from what a browser would receive, and back."""

import dataclasses
import importlib
import json
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from apps.realtime import events
from apps.realtime.events import Event, UnknownEvent, known_events, parse

for _module in sorted(Path("apps").rglob("*.py")):  # events are defined where they are published
    if "(Event)" in _module.read_text():
        importlib.import_module(".".join(_module.with_suffix("").parts))

EVENTS = known_events()
SAMPLES: dict[Any, Any] = {str: "text", int: 3, float: 0.5, bool: True, list: [], dict: {}}


def _sample(kind: Any) -> Any:
    """Return a value of the type, as JSON would bring it."""
    origin = typing.get_origin(kind)
    if origin in {types.UnionType, typing.Union}:
        return _sample(next(one for one in typing.get_args(kind) if one is not type(None)))
    if origin is typing.Literal:
        return typing.get_args(kind)[0]
    if dataclasses.is_dataclass(kind):
        return {field.name: _sample(field.type) for field in dataclasses.fields(kind)}
    return SAMPLES[origin or kind]


def _wire(event: type[Event]) -> dict[str, Any]:
    hints = typing.get_type_hints(event)
    fields = {field.name: _sample(hints[field.name]) for field in dataclasses.fields(event)}
    return {"type": event.type, **fields}


def test_the_events_of_features_are_known() -> None:
    assert {"access.changed", "notebook.renamed"} <= set(EVENTS)


@pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
def test_every_event_is_built_from_the_wire_and_back(event: type[Event]) -> None:
    wire = json.loads(json.dumps(_wire(event)))
    assert parse(wire) == event(**{key: value for key, value in wire.items() if key != "type"})
    assert json.loads(json.dumps(parse(wire).to_wire())) == wire


@pytest.mark.parametrize("event", EVENTS.values(), ids=list(EVENTS))
def test_every_event_is_frozen_named_and_closed(event: type[Event]) -> None:
    assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert event.type.count(".") >= 1
    assert event.type == event.type.lower()
    with pytest.raises(TypeError):
        parse({**_wire(event), "one_more": 1})


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(UnknownEvent, match="wanted one of"):
        parse({"type": "rocket.launched"})


def test_no_two_events_share_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_known", dict(events._known))
    with pytest.raises(TypeError, match="defined twice"):
        type("Again", (Event,), {"type": "access.changed", "__module__": __name__})
