"""Consumers of the outbox, good and bad."""

from apps.inference.outbox import Message

taken: list[Message] = []
faults: dict[str, int] = {}  # how often a subject's messages still fail


def take(message: Message) -> None:
    if faults.get(message.subject.id, 0):
        faults[message.subject.id] -= 1
        raise RuntimeError("not now")
    taken.append(message)


def nobody(message: Message) -> None:
    raise AssertionError(message)
