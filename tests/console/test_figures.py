"""Arithmetic and words of the console."""

from datetime import timedelta

import pytest

from apps.console import figures


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([], None), ([3.0], 3.0), ([float(one) for one in range(1, 101)], 95.0), ([1.0, 9.0], 9.0)],
)
def test_p95_is_what_95_of_100_do_not_exceed(values: list[float], wanted: float | None) -> None:
    assert figures.p95(values) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"), [(0.42, "0.42 s"), (3.0, "3 s"), (12.4, "12 s"), (180.0, "3 min")]
)
def test_seconds_are_said_as_people_say_them(value: float, wanted: str) -> None:
    assert figures.seconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=26), "26 hours ago"),
        (timedelta(days=9), "9 days ago"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(value: timedelta, wanted: str) -> None:
    assert figures.age(value) == wanted


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(0, "0 B"), (1536, "1.5 KiB"), (300 * 2**20, "300 MiB"), (3 * 2**40, "3.0 TiB")],
)
def test_a_size_is_said_in_its_unit(count: int, wanted: str) -> None:
    assert figures.size(count) == wanted
