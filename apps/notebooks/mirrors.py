"""The mirrors of the documents that were written to most recently, one set per process.

A mirror is taken out while a batch uses it and put back only after the commit: a batch that fails
leaves none behind that knows more than the database.
"""

import threading
import uuid
from collections import OrderedDict

from apps.notebooks import crdt, history
from apps.notebooks.models import Document
from apps.notebooks.statements import Head

KEPT = 64

_lock = threading.Lock()
_mirrors: OrderedDict[uuid.UUID, crdt.Mirror] = OrderedDict()


def take(head: Head) -> crdt.Mirror:
    """Return a mirror that contains exactly the stored updates; the caller holds the head's lock."""
    with _lock:
        mirror = _mirrors.pop(head.pk, None)
    if mirror is None or mirror.epoch != head.epoch or mirror.seq > head.last_seq:
        return _made(head)
    if mirror.seq < head.last_seq:  # another process wrote
        later = history.read_later(head.pk, since=mirror.seq)
        try:
            for update in later.updates:
                mirror.apply(update)
        except crdt.BadUpdate:  # together with what waited here
            return _made(head)
        mirror.seq = later.seq
    return mirror


def stored(head: Head) -> bytes:
    """Return all stored updates as one."""
    return history.whole(Document.objects.get(pk=head.pk)).updates[0]


def put_back(notebook_id: uuid.UUID, mirror: crdt.Mirror) -> None:
    """Keep the mirror for the next batch."""
    with _lock:
        _mirrors[notebook_id] = mirror
        _mirrors.move_to_end(notebook_id)
        while len(_mirrors) > KEPT:
            _mirrors.popitem(last=False)


def forget(notebook_id: uuid.UUID) -> None:
    """Forget the mirror of one notebook."""
    with _lock:
        _mirrors.pop(notebook_id, None)


def forget_all() -> None:
    """Forget every mirror."""
    with _lock:
        _mirrors.clear()


def _made(head: Head) -> crdt.Mirror:
    return crdt.Mirror(epoch=head.epoch, seq=head.last_seq, state=stored(head))
