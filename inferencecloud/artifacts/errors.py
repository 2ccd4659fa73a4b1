"""The root of what can be wrong with a model on disk."""

from __future__ import annotations


class ArtifactError(Exception):
    """An artifact cannot be used; the message says what was wanted and what was got."""
