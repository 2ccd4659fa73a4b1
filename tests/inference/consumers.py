"""Consumers of the outbox, good and bad."""

from apps.inference.outbox import Message

taken: list[Message] = []
batches: list[int] = []
refused: set[int] = set()  # numbers that nobody takes
faults: dict[str, int] = {}  # how often a subject's messages still fail


def take(message: Message) -> None:
    if faults.get(message.subject.id, 0):
        faults[message.subject.id] -= 1
        raise RuntimeError("not now")
    taken.append(message)


def take_several(messages: list[Message]) -> None:
    batches.append(len(messages))
    if any(message.payload["n"] in refused for message in messages):
        raise RuntimeError("not this one")
    taken.extend(messages)


def nobody(message: Message) -> None:
    raise AssertionError(message)
