"""`manage.py add_remote_model`: let a model at another server write here."""

import os
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.catalog import services
from apps.catalog.models import DEFAULT_POOL
from apps.organizations.models import Organization
from inferencecloud.engine import EngineError
from inferencecloud.engine.endpoint import Endpoint
from inferencecloud.engine.remote import RemoteEngine


class Command(BaseCommand):
    """Register a model that an OpenAI-compatible server serves, and put it behind an alias."""

    help = (
        "Register a model at an OpenAI-compatible server (vLLM and others) and let it answer to an "
        "alias. Running it again with the same address and name replaces the key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare where it is and what it answers to."""
        parser.add_argument("base_url", help="up to and with /v1")
        parser.add_argument("model", help="its name at the server")
        parser.add_argument("--alias", required=True, help="what cells ask for, such as writer")
        parser.add_argument("--label", default="", help="what people read")
        parser.add_argument("--organization", default="", help="slug; without it, for all")
        parser.add_argument("--pool", default=DEFAULT_POOL, help="the queue of its workers")
        parser.add_argument("--extended", action="store_true", help="it knows vLLM's parameters")
        key = parser.add_mutually_exclusive_group()
        key.add_argument("--key-env", default="", help="the environment variable with its key")
        key.add_argument("--ask-key", action="store_true", help="ask for its key on the terminal")
        parser.add_argument("--unseen", action="store_true", help="do not look whether it is there")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look whether it is there, and register it."""
        organization = None
        if options["organization"]:
            organization = Organization.objects.filter(slug=options["organization"]).first()
            if organization is None:
                raise CommandError(f"wanted an organization, got no “{options['organization']}”")
        try:
            endpoint = Endpoint(
                base_url=options["base_url"].rstrip("/"),
                model=options["model"],
                api_key=_key(options),
                extended=options["extended"],
                allow_private=settings.REMOTE_MODELS_PRIVATE,
            )
            if not options["unseen"]:
                _look(endpoint)
        except EngineError as refusal:
            raise CommandError(str(refusal)) from refusal
        variant = services.register_remote(endpoint=endpoint)
        deployment = services.deploy(
            variant=variant,
            alias=options["alias"],
            label=options["label"] or options["alias"].title(),
            place=services.Place(organization=organization, pool=options["pool"]),
        )
        self.stdout.write(f"{deployment.label} is now {endpoint.model} at {endpoint.host}.")


def _key(options: dict[str, Any]) -> str:
    name = options["key_env"]
    if name and name not in os.environ:
        raise CommandError(f"wanted the key in the environment variable {name}, got none")
    return os.environ[name] if name else getpass("Key: ") if options["ask_key"] else ""


def _look(endpoint: Endpoint) -> None:
    engine = RemoteEngine()
    try:
        engine.connect(endpoint, key="look")
    finally:
        engine.close()
