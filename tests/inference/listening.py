"""A channel layer that only remembers."""

from typing import Any

events: list[dict[str, Any]] = []


class Remembering:
    """Keep every event that is sent to any topic."""

    def __init__(self, **_config: Any) -> None:
        pass

    async def group_send(self, _group: str, message: dict[str, Any]) -> None:
        events.append({"topic": message.get("topic"), **message.get("event", {})})
