"""`manage.py serve_models`: serve models of this installation in the language of OpenAI's interface."""

import ipaddress
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.catalog.models import WRITER
from apps.core.errors import DomainError
from apps.inference import host
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.engine import EngineError
from inferencecloud.engine.service.app import ModelService

LEAVE_S = 10  # for answers under way when the service is to end


class Command(BaseCommand):
    """Serve /v1/models, /v1/chat/completions and /v1/completions."""

    help = (
        "Serve models to programs that speak OpenAI's language, at http://HOST:PORT/v1. "
        "MODELS_TOKEN in the environment says whom."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what is served, and where."""
        parser.add_argument("models", nargs="*", default=[WRITER], help="aliases, or NAME=FOLDER")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8100)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Load the models and serve them until somebody ends it."""
        if not settings.MODELS_TOKEN and not _is_loopback(options["host"]):
            raise CommandError(
                "wanted MODELS_TOKEN in the environment, got none: without it the service "
                "listens on 127.0.0.1 alone"
            )
        try:
            service = ModelService(host, _load(options["models"]), token=settings.MODELS_TOKEN)
            self.stdout.write(f"Serving at http://{options['host']}:{options['port']}/v1")
            uvicorn.Server(
                uvicorn.Config(
                    service,
                    host=options["host"],
                    port=options["port"],
                    log_level="warning",
                    timeout_graceful_shutdown=LEAVE_S,
                )
            ).run()
        finally:
            host.close()


def _load(names: list[str]) -> dict[str, str]:
    """Return the engine's keys by the names that clients use."""
    keys = {}
    for name in names:
        shown, _is, place = name.partition("=")
        try:
            keys[shown] = host.load_named(place or shown).key
        except (DomainError, EngineError, ArtifactError, OSError) as refusal:
            raise CommandError(str(refusal)) from refusal
    return keys


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
