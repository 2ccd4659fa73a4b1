"""`manage.py serve_models`: serve models of this installation in the language of OpenAI's interface."""

import ipaddress
from argparse import ArgumentParser
from pathlib import Path
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
        parser.add_argument(
            "--adapter",
            action="append",
            default=[],
            metavar="[MODEL:]NAME=FOLDER",
            help="a LoRA adapter, served as a model of its own; of the first model where none is named",
        )
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
            service = _service(options)
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


def _service(options: dict[str, Any]) -> ModelService:
    """Return the service with all that it serves loaded."""
    try:
        keys = {}
        for name in options["models"]:
            shown, _is, place = name.partition("=")
            keys[shown] = host.load_named(place or shown).key
        adapters = _load_adapters(options["adapter"], keys)
        return ModelService(host, keys, adapters=adapters, token=settings.MODELS_TOKEN)
    except (DomainError, EngineError, ArtifactError, OSError) as refusal:
        raise CommandError(str(refusal)) from refusal


def _load_adapters(wanted: list[str], keys: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return the model and the engine's key of each adapter, by its name."""
    loaded: dict[str, tuple[str, str]] = {}
    for one in wanted:
        names, _is, folder = one.partition("=")
        model, _of, shown = names.rpartition(":")
        model = model or next(iter(keys))
        if not folder or not shown or model not in keys or shown in loaded:
            raise CommandError(
                f"wanted [MODEL:]NAME=FOLDER with a model of {', '.join(keys)} and another name for each "
                f"adapter, got {one}"
            )
        host.load_adapter(Path(folder), model=keys[model], key=shown)
        loaded[shown] = (model, shown)
    most = settings.ENGINE_ADAPTERS_KEPT
    if any(sum(model == name for model, _key in loaded.values()) > most for name in keys):
        raise CommandError(
            f"wanted at most {most} adapters for a model, got more: raise ENGINE_ADAPTERS_KEPT"
        )
    return loaded


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
