"""Let a person say which of two models writes better, without knowing which is which."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import verify_artifact


class Command(BaseCommand):
    """Write texts with both models from the same briefs, show them in pairs, keep what the person chooses."""

    help = "Compare two models blindly: 50 pairs of texts with their brief, judged in the terminal."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the models, how many pairs, and where the judgement is kept."""
        parser.add_argument("a", type=Path, help="folder of one model")
        parser.add_argument("b", type=Path, help="folder of the other")
        parser.add_argument("--pairs", type=int, default=50)
        parser.add_argument("--seed", type=int, default=1, help="of briefs, texts and sides")
        parser.add_argument(
            "--data",
            type=Path,
            default=None,
            help="take held-out records as briefs; else made-up ones",
        )
        parser.add_argument(
            "--out", type=Path, default=Path(settings.DATA_DIR) / "comparisons", help="folder"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Go on with the comparison of these models, or begin it."""
        # torch takes seconds to import: only this command pays for it.
        from inferencecloud.training import comparison  # noqa: PLC0415

        a, b = (_digest(options[name]) for name in ("a", "b"))
        path = options["out"] / f"{a[:12]}-{b[:12]}-{options['seed']}-{options['pairs']}.json"
        if not path.exists():
            self.stdout.write("Writing the texts; this takes a minute.")
            comparison.save(_begin(a, b, options), path)
        current = comparison.load(path)
        comparison.judge(current, path, ask=input, say=self.stdout.write)
        result = comparison.count(current)
        judged = result.a + result.b + result.ties
        self.stdout.write(f"{judged} of {len(current.pairs)} judged; kept in {path}.")
        if judged == len(current.pairs):
            self.stdout.write(
                f"{options['a']}: {result.a}, {options['b']}: {result.b}, ties: {result.ties} "
                f"(sign test: p = {result.p_value:.3f})."
            )


def _digest(folder: Path) -> str:
    try:
        return verify_artifact(folder).manifest.digest
    except ArtifactError as error:
        raise CommandError(str(error)) from error


def _begin(a: str, b: str, options: dict[str, Any]) -> Any:  # Any: the module is imported late
    from inferencecloud.training import comparison, heldout  # noqa: PLC0415
    from inferencecloud.training.corpus import read_corpus  # noqa: PLC0415
    from inferencecloud.training.examination import Refusals, write_once  # noqa: PLC0415

    seed, pairs = options["seed"], options["pairs"]
    try:
        held_out = read_corpus(options["data"]).held_out if options["data"] else None
    except Refusals as refusal:
        raise CommandError(str(refusal)) from refusal
    exercises = (
        heldout.grounded(held_out, seed=seed, count=pairs)
        if held_out
        else heldout.invented(seed=seed, count=pairs)
    )
    texts = (write_once(options["a"], exercises), write_once(options["b"], exercises))
    return comparison.make_comparison(a, b, exercises=exercises, texts=texts, seed=seed)
