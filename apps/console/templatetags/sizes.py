"""Sizes in words, for templates."""

from django import template

from apps.console import figures

register = template.Library()


@register.filter
def sized(count: int) -> str:
    """Return a number of bytes as people say it."""
    return figures.size(count)
