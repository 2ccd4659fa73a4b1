"""Identifiers that sort by time."""

import time

from apps.core.ids import uuid7


def test_ids_of_later_milliseconds_sort_later() -> None:
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()

    assert first < second
    assert str(first) < str(second)


def test_an_id_says_its_version_variant_and_time() -> None:
    made = uuid7()

    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert abs((made.int >> 80) / 1000 - time.time()) < 5


def test_ids_of_one_millisecond_differ() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000
