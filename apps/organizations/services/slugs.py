"""Names in addresses."""

from itertools import count

from django.db import models
from django.utils.text import slugify


def free_slug(taken_in: models.QuerySet[models.Model, models.Model], name: str) -> str:
    """Return a slug made from the name that no row of the query set has yet."""
    stem = slugify(name)[:48] or "team"  # a name in another script leaves nothing
    taken = set(taken_in.filter(slug__startswith=stem).values_list("slug", flat=True))
    if stem not in taken:
        return stem
    return next(slug for n in count(2) if (slug := f"{stem}-{n}") not in taken)
