"""The statements of an append, written out.

Each key that is pressed passes here. Through the ORM the same five statements cost seven milliseconds
of processor time a batch, of which building SQL and model instances is the most; written out, one.
On PostgreSQL they are prepared once per connection: planning the first takes longer than running it.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from apps.notebooks.models import Document

LOCK = """
    SELECT d.epoch, d.last_seq, n.trashed_at IS NOT NULL, n.owner_id, n.audience, n.organization_id,
           n.workspace_id, w.division_id,
           EXISTS (SELECT 1 FROM notebooks_sharegrant g WHERE g.notebook_id = n.id)
      FROM notebooks_document d
      JOIN notebooks_notebook n ON n.id = d.notebook_id
      JOIN organizations_workspace w ON w.id = n.workspace_id
     WHERE d.notebook_id = %s
"""
MEMBERSHIPS = """
    SELECT m.user_id, m.role, m.division_id, m.workspace_id, w.division_id
      FROM organizations_membership m
      JOIN accounts_user u ON u.id = m.user_id
      LEFT JOIN organizations_workspace w ON w.id = m.workspace_id
     WHERE m.organization_id = %s AND u.is_active AND m.user_id {}
"""
INSERT = """
    INSERT INTO notebooks_docupdate (document_id, seq, payload, origin, user_id, created_at) VALUES {}
"""
ADVANCE = "UPDATE notebooks_document SET last_seq = %s WHERE notebook_id = %s"
# One round trip instead of two; the text does not depend on the number of rows.
STORE_ON_POSTGRES = """
    WITH advanced AS (
        UPDATE notebooks_document SET last_seq = %s WHERE notebook_id = %s
    )
    INSERT INTO notebooks_docupdate (document_id, seq, payload, origin, user_id, created_at)
    SELECT %s, row.seq, row.payload, %s, row.user_id, %s
      FROM unnest(%s::bigint[], %s::bytea[], %s::uuid[]) AS row (seq, payload, user_id)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What rights on a notebook depend on."""

    notebook_id: uuid.UUID
    owner_id: uuid.UUID
    audience: str
    organization_id: uuid.UUID
    workspace_id: uuid.UUID
    division_id: uuid.UUID
    has_grants: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A document's head, and the state of its notebook."""

    pk: uuid.UUID
    epoch: uuid.UUID
    last_seq: int
    in_trash: bool
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A membership of an active person."""

    user_id: uuid.UUID
    role: str
    division_id: uuid.UUID | None
    workspace_id: uuid.UUID | None
    home_id: uuid.UUID | None  # the division that the person works in by it


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An update that is to be stored."""

    seq: int
    payload: bytes
    user_id: uuid.UUID | None


def lock_head(notebook_id: uuid.UUID) -> Head:
    """Return the head, locked until the transaction ends; Document.DoesNotExist when there is none."""
    ending = " FOR UPDATE OF d" if connection.features.has_select_for_update_of else ""
    found = next(iter(_rows(LOCK + ending, [_key(notebook_id)])), None)
    if found is None:
        message = f"no document for notebook {notebook_id}"
        raise Document.DoesNotExist(message)
    place = Place(
        notebook_id=notebook_id,
        owner_id=_uuid(found[3]),
        audience=found[4],
        organization_id=_uuid(found[5]),
        workspace_id=_uuid(found[6]),
        division_id=_uuid(found[7]),
        has_grants=bool(found[8]),
    )
    return Head(
        pk=notebook_id,
        epoch=_uuid(found[0]),
        last_seq=found[1],
        in_trash=bool(found[2]),
        place=place,
    )


def memberships(organization_id: uuid.UUID, people: Collection[uuid.UUID]) -> list[Held]:
    """Return what the people hold in the organization, of those who are active."""
    if not people:
        return []
    if _is_postgres():
        statement, values = MEMBERSHIPS.format("= ANY(%s)"), [organization_id, list(people)]
    else:
        places = ", ".join(["%s"] * len(people))
        statement = MEMBERSHIPS.format(f"IN ({places})")
        values = [_key(organization_id), *map(_key, people)]
    return [_held(found) for found in _rows(statement, values)]


def _held(found: tuple[Any, ...]) -> Held:
    user, role, division, workspace, workspace_division = found
    home = workspace_division or division
    return Held(
        user_id=_uuid(user),
        role=role,
        division_id=_uuid(division) if division else None,
        workspace_id=_uuid(workspace) if workspace else None,
        home_id=_uuid(home) if home else None,
    )


def store(head: Head, rows: Sequence[Row], *, origin: str) -> None:
    """Insert the rows and advance the head to the last of them."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    document, last = _key(head.pk), rows[-1].seq
    if _is_postgres():
        columns = [[row.seq for row in rows], [row.payload for row in rows]]
        people = [row.user_id for row in rows]
        _run(STORE_ON_POSTGRES, [last, document, document, origin, now, *columns, people])
        return
    values: list[Any] = []
    for row in rows:
        user = _key(row.user_id) if row.user_id is not None else None
        values += [document, row.seq, row.payload, origin, user, now]
    places = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(INSERT.format(places), values)
        cursor.execute(ADVANCE, [last, document])


def _rows(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    if _is_postgres():
        return _run(statement, values).fetchall()
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _run(statement: str, values: Sequence[Any]) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run on a cursor that binds at the server: only such statements are prepared (psycopg 3)."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor: psycopg.Cursor[tuple[Any, ...]] = psycopg.Cursor(connection.connection)
        return cursor.execute(statement, values)


def _is_postgres() -> bool:
    return connection.vendor == "postgresql"


def _key(value: uuid.UUID) -> Any:
    """Return the id as this database keeps it."""
    return value if connection.features.has_native_uuid_field else value.hex


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(hex=value)
