"""What an event is: a frozen dataclass with a type, sent as JSON to everyone who listens to a topic.

Features define their events beside the service that publishes them; this app knows none of them.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

_known: dict[str, type["Event"]] = {}


class UnknownEvent(LookupError):
    """An event type that no feature has defined."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of every event. Fields are JSON values; `type` is `feature.what_happened`."""

    type: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Register the schema under its type, once."""
        if cls.type in _known and _known[cls.type].__qualname__ != cls.__qualname__:
            message = f"event type {cls.type!r} is defined twice: {_known[cls.type]} and {cls}"
            raise TypeError(message)
        _known[cls.type] = cls

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that travels: the type beside the fields."""
        return {"type": self.type, **asdict(self)}


def known_events() -> dict[str, type[Event]]:
    """Return every defined event by its type."""
    return dict(_known)


def parse(wire: dict[str, Any]) -> Event:
    """Return the event of a JSON object; raise UnknownEvent or TypeError when it fits no schema."""
    fields = dict(wire)
    name = fields.pop("type", None)
    if name not in _known:
        message = f"wanted one of {sorted(_known)}, got {name!r}"
        raise UnknownEvent(message)
    return _known[name](**fields)
