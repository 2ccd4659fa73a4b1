"""`manage.py generate`: have a model write to the terminal, word by word."""

import secrets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.catalog.models import WRITER
from apps.core.errors import DomainError
from apps.inference import host
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.engine import (
    EngineError,
    Finish,
    Message,
    Request,
    Role,
    Sampling,
    Stage,
    Text,
)


class Command(BaseCommand):
    """Write one text; the prompt comes from the arguments or from standard input."""

    help = "Have a model write: the prompt is the argument, or what comes on standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the prompt and how tokens are chosen."""
        parser.add_argument("prompt", nargs="?", default="-", help="- for standard input")
        parser.add_argument("--model", default=WRITER, help="an alias, or the folder of a model")
        parser.add_argument("--adapter", metavar="FOLDER", help="a LoRA adapter of the model")
        parser.add_argument("--system", default="", help="what the model is told first")
        parser.add_argument("--temperature", type=float, default=0.0)
        parser.add_argument("--top-p", type=float, default=1.0)
        parser.add_argument("--top-k", type=int, default=0)
        parser.add_argument("--min-p", type=float, default=0.0)
        parser.add_argument("--repetition-penalty", type=float, default=1.0)
        parser.add_argument(
            "--guidance-scale",
            type=float,
            help="above 1 what the prompt makes likelier counts for more; without it, as the model has it",
        )
        parser.add_argument("--seed", type=int, help="without it, another each time")
        parser.add_argument("--max-tokens", type=int, default=256)
        parser.add_argument("--max-chars", type=int)
        parser.add_argument("--stop", action="append", default=[], metavar="TEXT")
        parser.add_argument("--ban", action="append", default=[], metavar="PHRASE")
        parser.add_argument(
            "--require", action="append", default=[], metavar="PHRASE", help="is to appear"
        )
        parser.add_argument("--json-schema", metavar="FILE", help="the text is JSON of this schema")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Load the model and write."""
        try:
            request = _request(options)
            finish = self._write(host.submit([request]))
        except (DomainError, EngineError, ArtifactError, OSError) as refusal:
            raise CommandError(str(refusal)) from refusal
        finally:
            host.close()
        if finish is None or not finish.reason.succeeded:
            raise CommandError(str((finish and finish.error) or "the text was stopped"))
        self.stderr.write(_account(finish))

    def _write(self, stage: Stage) -> Finish | None:
        """Write the text as it comes; Ctrl-C stops it."""
        finish = None
        try:
            for delta in stage:
                self.stdout.write(delta.text, ending="")
                self.stdout.flush()
                finish = delta.finish
        except KeyboardInterrupt:
            stage.cancel()
        self.stdout.write("")
        return finish


def _request(options: dict[str, Any]) -> Request:
    prompt = sys.stdin.read() if options["prompt"] == "-" else options["prompt"]
    seed = options["seed"]
    schema = options["json_schema"]
    sampling = Sampling(
        temperature=options["temperature"],
        top_p=options["top_p"],
        top_k=options["top_k"],
        min_p=options["min_p"],
        repetition_penalty=options["repetition_penalty"],
        guidance_scale=options["guidance_scale"],
        seed=secrets.randbelow(1 << 31) if seed is None else seed,
        max_new_tokens=options["max_tokens"],
        max_chars=options["max_chars"],
        stop=tuple(options["stop"]),
        banned=tuple(options["ban"]),
        required=tuple(options["require"]),
        json_schema=Path(schema).read_text() if schema else None,
    )
    model, adapter = host.load_named(options["model"]).key, options["adapter"]
    if adapter:
        host.load_adapter(Path(adapter), model=model, key=adapter)
    said = [(Role.SYSTEM, options["system"]), (Role.USER, prompt)]
    return Request(
        id="generate",
        model=model,
        adapter=adapter,
        messages=tuple(Message(role, (Text(text),)) for role, text in said if text),
        sampling=sampling,
    )


def _account(finish: Finish) -> str:
    """Return what it took."""
    waited_s = finish.first_token_s or 0.0
    return (
        f"{finish.prompt_tokens} tokens read, {finish.new_tokens} written, ended by "
        f"{finish.reason.value}; the first after {waited_s:.2f} s, all in {finish.total_s:.2f} s"
    )
