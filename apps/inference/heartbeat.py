"""What each worker says of itself every few seconds, whether it has work or not; kept in the cache.

It is for those who look (the console, /metrics). Nothing is decided by it: who holds a step is told by its
lease (transitions.py), and a cache that is away loses no more than figures.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Protocol, cast

from django.core.cache import cache
from redis import RedisError

from apps.inference import host, owners
from apps.inference.conf import tempo

logger = logging.getLogger(__name__)

KEPT_S = 60  # without a word for so long, a worker is not listed any more
NAMES = "inference.workers"
Numbers = Mapping[str, float]


class Measured(Protocol):
    """An engine that tells how it stands; engines need not."""

    def metrics(self) -> Any:
        """Return a frozen dataclass of plain numbers, or one for each of several models by its key."""


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a worker said last."""

    worker: str  # machine:process
    at: float  # seconds since 1970
    pools: tuple[str, ...]
    engines: dict[str, dict[str, float]] = field(default_factory=dict)  # numbers by model


def publish(*, pools: Collection[str], engines: Mapping[str, Numbers] | None = None) -> None:
    """Tell that this process is there, which queues it serves, and the numbers of its engine."""
    name = this_worker()
    beat = {
        "worker": name,
        "at": time.time(),
        "pools": sorted(pools),
        "engines": {model: dict(numbers) for model, numbers in (engines or {}).items()},
    }
    try:
        cache.set(_key(name), beat, KEPT_S)
        _enter(name)
    except (OSError, RedisError) as problem:
        logger.warning("the cache took no heartbeat: %s", problem)


def withdraw() -> None:
    """Tell that this process takes no more work."""
    try:
        cache.delete(_key(this_worker()))
    except (OSError, RedisError) as problem:
        logger.warning("the cache took no heartbeat: %s", problem)


def beats() -> list[Beat]:
    """Return what the workers said within KEPT_S, by name; nothing while the cache is away."""
    try:
        names = sorted(cache.get(NAMES) or {})
        said = cache.get_many([_key(name) for name in names])
    except (OSError, RedisError) as problem:
        logger.warning("the cache told of no worker: %s", problem)
        return []
    found = (said[_key(name)] for name in names if _key(name) in said)
    return [Beat(**{**one, "pools": tuple(one["pools"])}) for one in found]


def this_worker() -> str:
    """Return the name under which this process holds steps, less the stage."""
    return owners.mine().rpartition(":")[0]


def engine_numbers() -> dict[str, dict[str, float]]:
    """Return the numbers of this process's engine by model; empty where it has none to tell."""
    engine = host.current()
    if engine is None or getattr(engine, "metrics", None) is None:
        return {}
    told = cast(Measured, engine).metrics()
    names = {model.key: model.name for model in engine.models()}
    if isinstance(told, Mapping):
        return {names.get(key, str(key)): _plain(one) for key, one in told.items()}
    return {" + ".join(sorted(set(names.values()))) or "none": _plain(told)}


def _plain(told: Any) -> dict[str, float]:
    """Return the fields of the dataclass that are numbers; yes is 1."""
    fields = asdict(told) if is_dataclass(told) and not isinstance(told, type) else {}
    return {name: float(value) for name, value in fields.items() if isinstance(value, int | float)}


def _key(name: str) -> str:
    return f"inference.worker.{name}"


def _enter(name: str) -> None:
    """Put the name on the list, which is only written when it changes.

    Two that start at the same moment may overwrite each other; the next beat puts it right.
    """
    now = time.time()
    names: dict[str, float] = cache.get(NAMES) or {}
    is_fresh = now - names.get(name, 0.0) < 10 * KEPT_S
    if not is_fresh:
        kept = {one: at for one, at in names.items() if now - at < 20 * KEPT_S}
        cache.set(NAMES, kept | {name: now}, timeout=None)


class Heart:
    """A thread that beats until it is stopped."""

    def __init__(self, pools: Iterable[str]) -> None:
        self._pools = list(pools)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and take leave."""
        self._end.set()
        self._thread.join(1)
        withdraw()

    def _beat(self) -> None:
        while not self._end.is_set():
            publish(pools=self._pools, engines=_numbers())
            self._end.wait(tempo().heartbeat_s)


def _numbers() -> dict[str, dict[str, float]]:
    try:
        return engine_numbers()
    except Exception:  # an engine that cannot tell its numbers must not make its worker look dead
        logger.exception("the engine told no numbers")
        return {}
