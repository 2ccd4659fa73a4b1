"""What a line of the log may hold: ids to follow something by, and nothing that is somebody's.

Left out of every line, whoever wrote it: e-mail addresses (of axes, of mail servers' answers), secrets in
addresses, and the rows that PostgreSQL quotes when it refuses one. Texts and prompts are never logged.
"""

import re
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest
from django.urls import Resolver404, resolve

SECRETS = ("token", "key")  # the parameters of routes that open something to whoever knows them
FOLLOWED = ("run_id", "pool", "notebook_id", "package_id", "export_id")  # of a task, into its lines

ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
QUOTED_ROW = re.compile(r"(DETAIL|CONTEXT):.*(?:\n(?![ \t]*File |Traceback |\S+: ).*)*")

Line = MutableMapping[str, Any]


def path_of(request: HttpRequest) -> str:
    """Return the path, an invitation's or a reset's secret left out."""
    path = request.path
    try:
        given = resolve(request.path_info).kwargs
    except Resolver404:
        given = {}
    for name in SECRETS:
        if given.get(name):
            path = path.replace(str(given[name]), f"<{name}>")
    return path


def scrub(_logger: Any, _method: str, line: Line) -> Line:
    """Leave out of the line what is somebody's; the last step before it is written."""
    request = getattr(line.get("_record"), "request", None)
    if isinstance(request, HttpRequest):  # Django's own complaint about it
        line["event"] = str(line["event"]).replace(request.path, path_of(request))
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = QUOTED_ROW.sub(r"\1: (left out)", ADDRESS.sub("<address>", value))
    return line


def follow(sender: object, task: Any, **_more: object) -> None:
    """Put what a task works on into all lines of it (a receiver of django_structlog)."""
    given = task.request.kwargs or {}
    structlog.contextvars.bind_contextvars(
        **{name: str(given[name]) for name in FOLLOWED if name in given}
    )
