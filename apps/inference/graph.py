"""The graph of a run's steps: what is ready, what forms a stage, what falls with a failure. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.core.errors import DomainError

DONE = frozenset({"succeeded", "cached"})
WAITING = "queued"


class StepsDoNotFit(DomainError):
    """Steps of one run name each other wrongly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A step as the graph sees it."""

    key: str
    pool: str
    status: str
    depends_on: tuple[str, ...]


def in_order(depends_on: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the keys, sources before readers; raise StepsDoNotFit on a circle or an unknown source."""
    missing = {key: set(sources) for key, sources in depends_on.items()}
    for key, sources in missing.items():
        unknown = sources - depends_on.keys()
        if unknown:
            message = _("“%(key)s” reads %(unknown)s, which is not part of the run")
            raise StepsDoNotFit(message % {"key": key, "unknown": ", ".join(sorted(unknown))})
    readers = _readers(missing)
    order = [key for key, sources in missing.items() if not sources]
    for key in order:  # grows while it is read
        for reader in readers.get(key, ()):
            missing[reader].discard(key)
            if not missing[reader]:
                order.append(reader)
    if len(order) < len(missing):
        stuck = sorted(missing.keys() - set(order))
        message = _("The steps %(stuck)s wait for each other")
        raise StepsDoNotFit(message % {"stuck": ", ".join(stuck)})
    return order


def _readers(depends_on: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for key, sources in depends_on.items():
        for source in sources:
            readers.setdefault(source, []).append(key)
    return readers


def stage(nodes: Iterable[Node], pool: str) -> list[str]:
    """Return the largest piece of the graph that the pool can run now, sources before readers.

    A step is in when it waits, the pool serves it, and all that it reads is done or in as well.
    """
    by_key = {node.key: node for node in nodes}
    inside: set[str] = set()
    result = []
    for key in in_order({key: node.depends_on for key, node in by_key.items()}):
        node = by_key[key]
        if node.status != WAITING or node.pool != pool:
            continue
        if all(one in inside or by_key[one].status in DONE for one in node.depends_on):
            inside.add(key)
            result.append(key)
    return result


def ready_pools(nodes: Iterable[Node]) -> list[str]:
    """Return the pools that have at least one step to begin with now."""
    by_key = {node.key: node for node in nodes}
    return sorted(
        {
            node.pool
            for node in by_key.values()
            if node.status == WAITING and all(by_key[one].status in DONE for one in node.depends_on)
        }
    )


def readers_of(nodes: Iterable[Node], keys: Iterable[str]) -> set[str]:
    """Return every step that reads one of the keys, however far down; the keys themselves are not in."""
    readers = _readers({node.key: node.depends_on for node in nodes})
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            if reader not in found:
                found.add(reader)
                waiting.append(reader)
    return found
