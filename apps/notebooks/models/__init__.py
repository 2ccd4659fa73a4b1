"""Every model of the app, by what it is about."""

from apps.notebooks.models.chain import Cell, CellOutput, Edge, Release
from apps.notebooks.models.documents import (
    SCHEMA_VERSION,
    DocAuthor,
    DocSnapshot,
    Document,
    DocUpdate,
)
from apps.notebooks.models.notebooks import Contribution, Image, Notebook, Visit
from apps.notebooks.models.sharing import ShareGrant
from apps.notebooks.models.writers import CellWriter

__all__ = [
    "SCHEMA_VERSION",
    "Cell",
    "CellOutput",
    "CellWriter",
    "Contribution",
    "DocAuthor",
    "DocSnapshot",
    "DocUpdate",
    "Document",
    "Edge",
    "Image",
    "Notebook",
    "Release",
    "ShareGrant",
    "Visit",
]
