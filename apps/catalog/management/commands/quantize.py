"""Make a model smaller and faster: weights of 8 or 4 bits."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.engine.errors import EngineError


class Command(BaseCommand):
    """Write a quantized artifact beside the one that it is made from."""

    help = "Write a model with weights of 8 or 4 bits as an artifact of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what to quantize, where it goes, and how far."""
        parser.add_argument("source", type=Path, help="folder of the model, with its manifest")
        parser.add_argument("target", type=Path, help="folder to make")
        parser.add_argument("--bits", type=int, choices=(8, 4), required=True)
        parser.add_argument(
            "--group",
            type=int,
            choices=(32, 64),
            default=64,
            help="weights to a scale, with 4 bits",
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Quantize, and tell the sizes."""
        # torch takes seconds to import: only this command pays for it.
        from inferencecloud.engine.kernels import quantize_artifact  # noqa: PLC0415

        source, target = options["source"], options["target"]
        try:
            made = quantize_artifact(source, target, bits=options["bits"], group=options["group"])
        except (ArtifactError, EngineError) as refusal:
            raise CommandError(str(refusal)) from refusal
        before, after = _weights_mb(source), _weights_mb(target)
        self.stdout.write(
            f"{made.manifest.name}: {before:.1f} MB became {after:.1f} MB at {target}."
        )


def _weights_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
