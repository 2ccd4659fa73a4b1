"""The root of what an engine refuses or fails at."""

from __future__ import annotations


class EngineError(Exception):
    """An engine cannot do what was asked; the message is fit for people: what was wanted, what was got."""
