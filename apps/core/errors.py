"""The one base of all refusals that a person may read."""

from http import HTTPStatus
from typing import ClassVar


class DomainError(Exception):
    """A request that cannot be met, said in words for the person who made it.

    Children are defined beside the function that raises them and named as a fact (CellIsRunning).
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT


class NotVisible(DomainError):
    """The object does not exist for this person; nobody learns which of the two it is."""

    status = HTTPStatus.NOT_FOUND
