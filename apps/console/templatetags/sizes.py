"""Sizes and durations in words, for templates."""

from django import template

from apps.console import figures

register = template.Library()


@register.filter
def sized(count: int) -> str:
    """Return a number of bytes as people say it."""
    return figures.size(count)


@register.filter
def in_seconds(value: float | str | None) -> str:
    """Return a duration as people say it; a dash for none (a template's nothing is an empty text)."""
    return figures.NOTHING if value is None or value == "" else figures.seconds(float(value))
