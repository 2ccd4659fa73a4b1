"""Train the model that comes with the source."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

SIZES = {
    "starter": {},
    "minute": {"width": 64, "layers": 2, "heads": 2, "ffn": 128, "vocabulary": 600},
}


class Command(BaseCommand):
    """Train the starter from nothing; a killed training goes on where it was."""

    help = "Train the starter model on product records and posts and write it as an artifact."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare where the data is, where the model goes, and how long to train."""
        parser.add_argument(
            "--data", type=Path, required=True, help="folder of products.jsonl and posts.jsonl.gz"
        )
        parser.add_argument(
            "--out", type=Path, default=Path(settings.BASE_DIR) / "models" / "starter"
        )
        parser.add_argument("--work", type=Path, default=Path(settings.DATA_DIR) / "train_starter")
        parser.add_argument(
            "--steps", type=int, default=None, help="steps in all (default: the starter's)"
        )
        parser.add_argument(
            "--hours",
            type=float,
            default=None,
            help="as many steps as fit, at the speed measured here",
        )
        parser.add_argument(
            "--study",
            type=Path,
            default=None,
            metavar="TABLE",
            help="compare sizes at equal time instead; --hours is for each",
        )
        parser.add_argument(
            "--without-instructions",
            action="store_true",
            help="learn the texts alone, to compare with",
        )
        parser.add_argument(
            "--from",
            dest="start",
            type=Path,
            default=None,
            metavar="MODEL",
            help="take a second stage: go on from this trained starter's weights",
        )
        parser.add_argument("--tokens-per-step", type=int, default=None)
        parser.add_argument("--threads", type=int, default=None, help="default: torch's own choice")
        parser.add_argument("--size", choices=sorted(SIZES), default="starter")
        parser.add_argument(
            "--stop-at", type=int, default=None, help="checkpoint at this step and end"
        )
        parser.add_argument(
            "--checkpoint-every", type=float, default=None, help="seconds (default 120)"
        )
        parser.add_argument("--fresh", action="store_true", help="forget an earlier checkpoint")
        parser.add_argument(
            "--compile", action="store_true", help="faster after a minute; needs a C++ compiler"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Train, telling how far it is, then measure and export."""
        # torch takes seconds to import: only this command pays for it.
        from inferencecloud.training import command  # noqa: PLC0415

        order = command.Order(
            data=options["data"],
            out=options["out"],
            work=options["work"],
            steps=options["steps"],
            hours=options["hours"],
            instructed=not options["without_instructions"],
            tokens_per_step=options["tokens_per_step"],
            threads=options["threads"],
            shape=SIZES[options["size"]],
            start=options["start"],
            stop_at=options["stop_at"],
            fresh=options["fresh"],
            compiled=options["compile"],
            checkpoint_every_s=options["checkpoint_every"],
        )
        try:
            if options["study"]:
                command.carry_out_study(order, options["study"], say=self._say)
            else:
                command.carry_out(order, say=self._say)
        except command.Refusals as refusal:
            raise CommandError(str(refusal)) from refusal

    def _say(self, text: str) -> None:
        """Show a line at once: a training of hours is watched through a file."""
        self.stdout.write(text)
        self.stdout.flush()
