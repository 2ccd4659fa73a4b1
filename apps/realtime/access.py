"""Tell open sockets that somebody's rights may have changed."""

from dataclasses import dataclass
from typing import ClassVar

from apps.realtime.events import Event


@dataclass(frozen=True, kw_only=True)
class AccessChanged(Event):
    """Check again: on `user.<id>` this person's rights, on `notebook.<id>` everybody's there."""

    type: ClassVar[str] = "access.changed"
