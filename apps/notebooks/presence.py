"""Carets of the people who have a notebook open: relayed, kept in memory for late joiners, never stored."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from apps.notebooks.messages import Caret

FORGOTTEN_AFTER_S = 40.0  # browsers renew their caret every 15 s


class Presence:
    """The last caret of every browser, whatever process its socket is on."""

    def __init__(self) -> None:
        self._carets: dict[int, tuple[Caret, float]] = {}

    def take(self, caret: Caret) -> bool:
        """Keep the caret unless a newer one is known; say whether it was news."""
        known = self._carets.get(caret.client)
        if known is not None and known[0].clock >= caret.clock and caret.state is not None:
            return False
        if caret.state is None:
            self._carets.pop(caret.client, None)
        else:
            self._carets[caret.client] = (caret, time.monotonic())
        return True

    def farewell(self, client: int) -> Caret | None:
        """Return the caret that tells the others that this browser has left."""
        known = self._carets.pop(client, None)
        return replace(known[0], clock=known[0].clock + 1, state=None) if known else None

    def present(self) -> list[Caret]:
        """Return the carets that a newcomer should see."""
        oldest = time.monotonic() - FORGOTTEN_AFTER_S
        for client in [one for one, (_caret, at) in self._carets.items() if at < oldest]:
            del self._carets[client]
        return [caret for caret, _at in self._carets.values()]


def signed(carets: Iterable[Caret], *, client: int, person: dict[str, Any]) -> list[Caret]:
    """Return the carets of this very browser, under the name of the person who is signed in."""
    return [
        replace(caret, state=None if caret.state is None else {**caret.state, "user": person})
        for caret in carets
        if caret.client == client
    ]
