"""Sizes and durations in words, for templates."""

from django import template

from apps.console import figures

register = template.Library()


@register.filter
def sized(count: int) -> str:
    """Return a number of bytes as people say it."""
    return figures.size(count)


@register.filter
def in_seconds(value: float | None) -> str:
    """Return a duration as people say it; a dash for none."""
    return figures.NOTHING if value in {None, ""} else figures.seconds(float(value or 0))
