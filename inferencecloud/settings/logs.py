"""Structured logs: one event per line with the id of its request, JSON where a machine reads them."""

import warnings
from typing import Any

import structlog

from apps.core.log_lines import scrub

# WhiteNoise and FileResponse read files in pieces, which Django collects before it sends them. Ours are
# small: nothing to warn about at each.
warnings.filterwarnings(
    "ignore", message="StreamingHttpResponse must consume synchronous iterators"
)

# What each event passes through before it is rendered, whether structlog or the standard library made it.
SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_config(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return Django's LOGGING and point structlog at it; nothing but stderr is written."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = _json() if as_json else [_console()]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [
                    structlog.processors.format_exc_info,
                    scrub,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderer,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django hangs a handler of its own on this name; ours on the root is enough.
            "django": {"handlers": [], "level": level},
            # django_structlog tells each request already, with its id.
            "django.request": {"level": "ERROR"},
            # These tell their start in paragraphs.
            "celery": {"level": _at_least("WARNING", level)},
            "uvicorn": {"level": _at_least("WARNING", level)},
        },
    }


def _console() -> structlog.dev.ConsoleRenderer:
    # Plain tracebacks: the pretty ones print local variables, and those hold what people wrote.
    return structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )


def _json() -> list[Any]:
    return [structlog.processors.JSONRenderer()]


def _at_least(floor: str, level: str) -> str:
    """Return the level, but no chattier than the floor unless somebody asked for DEBUG."""
    return level if level in {"DEBUG", "ERROR", "CRITICAL"} else floor
