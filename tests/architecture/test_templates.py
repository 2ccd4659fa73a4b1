"""The content policy forbids inline code; no template may need it, and none may look elsewhere."""

import re
from pathlib import Path

import pytest

TEMPLATES = sorted(Path("templates").rglob("*.html"))
FORBIDDEN = {
    "a script in the page": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")"),
    "a style in the page": re.compile(r"<style\b|\sstyle\s*=", re.IGNORECASE),
    "a handler in the page": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "code for htmx to evaluate": re.compile(r"\bhx-on|hx-vals=[\"']js:|\bhx-vars"),
    "something of another host": re.compile(
        r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*(?:src|href)=[\"'](?:https?:)?//"
    ),
    "unescaped text": re.compile(r"\|\s*safe\b|autoescape off"),
}
# Errors of fields and help texts are Django's own markup.
MAY_BE_UNESCAPED = {"templates/django/forms/field.html"}


def test_there_are_templates_to_look_at() -> None:
    assert len(TEMPLATES) > 20


@pytest.mark.parametrize("file", TEMPLATES, ids=str)
def test_no_template_holds_inline_code_or_another_host(file: Path) -> None:
    text = file.read_text()
    found = [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    if str(file) in MAY_BE_UNESCAPED:
        found = [what for what in found if what != "unescaped text"]
    assert found == []
