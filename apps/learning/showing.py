"""What the pages "Learning" say of an output, in words: what became of it, by whom, and what it teaches."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.words import Change, word_diff
from apps.inference.models import Output
from apps.inference.specs import Source, Text, apply_filters, messages_from_json
from apps.learning.listing import is_learnable
from apps.learning.models import EditRecord, Feedback
from apps.learning.rules import SETTLE_ORDER
from apps.learning.selectors import Refusal, refusals
from apps.learning.sight import Sight

DIFF_LIMIT = 2_400  # characters of both texts that a list compares; a page of its own compares all
EXCERPT = 400

WHY_NOT: Mapping[Refusal, Promise] = {
    Refusal.ERASED: gettext_lazy("The text was erased"),
    Refusal.PERSON: gettext_lazy("Somebody whose words are in it does not want that"),
    Refusal.NOTEBOOK: gettext_lazy("The notebook is not to be learned from"),
    Refusal.UPSTREAM: gettext_lazy("It was made from a notebook that is not to be learned from"),
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one cell settled that began with the output."""

    record: EditRecord
    changes: list[Change]  # empty where the texts are too long for a list
    editors: list[str]
    why_not: str  # empty: may be learned from

    @property
    def kept_percent(self) -> int:
        """Return how much of the output still stood."""
        return round(100 * self.record.kept_ratio)


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What one person said, or showed."""

    feedback: Feedback

    @property
    def reasons(self) -> list[str]:
        """Return why, as it was offered."""
        labels = dict(Feedback.Reason.choices)
        return [str(labels.get(reason, reason)) for reason in self.feedback.reasons]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An output with what became of it."""

    output: Output
    cell: str
    notebook: str
    ending: Ending | None  # the one that says most; None before the first
    endings: list[Ending]
    said: list[Opinion]
    why_not: str

    @property
    def ups(self) -> int:
        """Return how many found it good."""
        return sum(one.feedback.kind == Feedback.Kind.THUMBS_UP for one in self.said)

    @property
    def downs(self) -> int:
        """Return how many did not."""
        return sum(one.feedback.kind == Feedback.Kind.THUMBS_DOWN for one in self.said)

    @property
    def reasons(self) -> list[str]:
        """Return why not, each reason once."""
        return list(dict.fromkeys(words for one in self.said for words in one.reasons))

    @property
    def excerpt(self) -> str:
        """Return how the text begins."""
        text = self.output.text.strip()
        return text if len(text) <= EXCERPT else f"{text[:EXCERPT].rstrip()} …"

    @property
    def model(self) -> str:
        """Return who wrote it, by its role."""
        deployment = self.output.step_run.deployment
        return deployment.label if deployment else str(self.output.model_version.family)


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of the prompt: words as they were given, or the text of a source."""

    text: str
    source: str  # the name of the cell; empty for given words
    output: uuid.UUID | None  # whose text it was, where it can be looked at


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One message of the prompt."""

    role: str
    passages: list[Passage]


def shown(outputs: Collection[Output], *, in_full: bool = False) -> list[Shown]:
    """Return the outputs (loaded by `listing.with_what_became`) as the pages show them."""
    refused = refusals([record for output in outputs for record in output.edit_records.all()])
    titles = _titles(outputs)
    return [_shown(output, refused, titles, in_full=in_full) for output in outputs]


def prompt_of(output: Output, sight: Sight) -> list[Asked]:
    """Return the prompt with its sources named, and linked as far as they are in sight."""
    messages = messages_from_json(output.prompt)
    sources = [part for one in messages for part in one.segments if isinstance(part, Source)]
    names = _names_of({source.ref for source in sources})
    read_outputs = {source.output for source in sources if source.output}
    seen, labels = _in_sight(read_outputs, sight), _labels_of(read_outputs)
    asked = []
    for message in messages:
        passages = []
        for part in message.segments:
            if isinstance(part, Text):
                passages.append(Passage(text=part.text, source="", output=None))
            elif isinstance(part, Source):
                read = apply_filters(part.apply, part.text)
                label = labels.get(part.output or "") or _("a text that people wrote")
                name = names.get(part.ref) or label
                link = seen.get(part.output or "")
                passages.append(Passage(text=read, source=name, output=link))
        asked.append(Asked(role=message.role, passages=passages))
    return asked


def sources_of(asked: list[Asked]) -> list[Passage]:
    """Return the sources of a prompt, each once."""
    found = {(one.source, one.output): one for each in asked for one in each.passages}
    return [passage for passage in found.values() if passage.source]


def _shown(
    output: Output,
    refused: Mapping[uuid.UUID, Refusal],
    titles: Mapping[str, str],
    *,
    in_full: bool,
) -> Shown:
    endings = [
        _ending(output, one, refused.get(one.pk), in_full=in_full)
        for one in output.edit_records.all()
    ]
    best = min(endings, key=lambda one: SETTLE_ORDER.index(one.record.settle), default=None)
    notebook = best.record.notebook_title if best else titles.get(output.step_run.run.subject_id)
    return Shown(
        output=output,
        cell=(best.record.cell_name if best else "") or output.step_run.label,
        notebook=notebook or "",
        ending=best,
        endings=endings,
        said=[Opinion(feedback=one) for one in output.feedback.all()],
        why_not="" if is_learnable(output, refused) else _why_not(output, endings),
    )


def _ending(
    output: Output, record: EditRecord, refusal: Refusal | None, *, in_full: bool
) -> Ending:
    is_short = len(output.text) + len(record.final_text) <= DIFF_LIMIT
    compared = (in_full or is_short) and not record.erased_at
    return Ending(
        record=record,
        changes=word_diff(output.text.strip(), record.final_text.strip()) if compared else [],
        editors=sorted(str(editor.user) for editor in record.editors.all()),
        why_not=str(WHY_NOT[refusal]) if refusal else "",
    )


def _why_not(output: Output, endings: list[Ending]) -> str:
    if not output.text.strip():
        return _("There is no text")
    if output.finish_reason != "stop":
        return _("The model was cut off before its end")
    if not endings:
        return _("Not yet: nothing has settled")
    return endings[0].why_not


def _titles(outputs: Collection[Output]) -> dict[str, str]:
    """Return titles of the notebooks of outputs that have not settled, as far as records know them."""
    unknown = {
        output.step_run.run.subject_id for output in outputs if not output.edit_records.all()
    }
    asked = [pk for pk in unknown if _is_id(pk)]
    if not asked:
        return {}
    known = EditRecord.objects.filter(notebook_id__in=asked, erased_at__isnull=True)
    return {
        str(pk): title
        for pk, title in known.order_by("settled_at").values_list("notebook_id", "notebook_title")
    }


def _names_of(keys: set[str]) -> dict[str, str]:
    """Return the names of cells by their keys (`notebook:cell`), as records and steps had them."""
    parts = {key: key.partition(":") for key in keys}
    wanted = {key: (notebook, cell) for key, (notebook, _colon, cell) in parts.items()}
    cells = {cell for _notebook, cell in wanted.values() if _is_id(cell)}
    known = EditRecord.objects.filter(cell_id__in=cells).order_by("settled_at")
    names = {
        (str(notebook), str(cell)): name
        for notebook, cell, name in known.values_list("notebook_id", "cell_id", "cell_name")
    }
    return {key: name for key, place in wanted.items() if (name := names.get(place))}


def _labels_of(outputs: set[str]) -> dict[str, str]:
    """Return the names under which outputs were written."""
    named = Output.objects.filter(pk__in=outputs).exclude(step_run__label="")
    return {str(pk): label for pk, label in named.values_list("pk", "step_run__label")}


def _in_sight(outputs: set[str], sight: Sight) -> dict[str, uuid.UUID]:
    found = Output.objects.filter(pk__in=outputs, organization=sight.organization)
    if not sight.whole:
        found = found.filter(edit_records__in=EditRecord.objects.filter(sight.records()))
    return {str(pk): pk for pk in found.values_list("pk", flat=True)}


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
