"""Turn a cell into a step of a run: the person's instruction with the texts it refers to put in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.inference.specs import (
    NO_REPEAT_NGRAM_SIZE,
    REPETITION_PENALTY,
    Params,
    PromptMessage,
    Segment,
    Source,
    StepOutput,
    StepSpec,
    Subject,
    Text,
    input_hash,
)
from apps.notebooks.chain.cells import limit_of
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.chain.references import CellKey, Reference

NEW_TOKENS = {"short": 64, "medium": 160, "long": 320}
TEMPERATURE = (0.1, 0.35, 0.6, 0.8, 1.0)  # by how adventurous, 0 to 4
TOP_P = 0.9
CLOSING = " \n.!:"  # what may follow a reference that still ends its instruction


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The texts that references lead to, as they stand for the person who asks.

    `outputs` names the outputs that stand untouched; `steps` the cells that the same run writes anew.
    """

    texts: Mapping[Reference, str]
    outputs: Mapping[CellKey, str] = field(default_factory=dict)
    steps: frozenset[CellKey] = frozenset()


def step_of(
    cell: CellSpec, parts: tuple[str | Reference, ...], *, standing: Standing, voice: str
) -> StepSpec:
    """Return the step that writes the cell.

    Args:
        cell: a prompt cell.
        parts: its instruction, every reference resolved to ids.
        standing: what the references stand for.
        voice: who the model is to be, one or two sentences.
    """
    instruction = tuple(_segments(parts, standing))
    wording = wording_of(cell)
    if wording:
        instruction = (*instruction, Text(text=f"\n{wording}"))
    return StepSpec(
        key=str(cell.key),
        messages=(
            PromptMessage(role="system", segments=(Text(text=voice),)),
            PromptMessage(role="user", segments=instruction),
        ),
        params=_params(cell),
        label=cell.name,
        context={"cell": str(cell.key.cell), "notebook": str(cell.key.notebook)},
        audience=Subject(kind="notebook", id=str(cell.key.notebook)),
    )


def hash_of(step: StepSpec, model_version: str) -> str:
    """Return the input hash of a step whose sources all stand (none is written by the same run)."""
    return input_hash(messages=step.messages, params=step.params, model_version=model_version)


def wording_of(cell: CellSpec) -> str:
    """Return what is to be said, what is not and how long at most, as the prompt tells it; or nothing.

    The words are those that the starter knows: a line of a brief, and the last of its wishes.
    """
    told = {"Facts": _phrases(cell, "required"), "Words to avoid": _phrases(cell, "banned")}
    lines = [f"{what}: {', '.join(some)}." for what, some in told.items() if some]
    limit = limit_of(cell.params.get("limit"))
    if limit:
        unit = limit.unit.removesuffix("s") if limit.high == 1 else limit.unit
        lines.append(f"At most {limit.high} {unit}.")
    return "\n".join(lines)


def _phrases(cell: CellSpec, name: str) -> tuple[str, ...]:
    given = cell.params.get(name)
    return tuple(map(str, given)) if isinstance(given, list | tuple) else ()


def _params(cell: CellSpec) -> Params:
    length = str(cell.params.get("length", "medium"))
    adventurous = int(str(cell.params.get("adventurous", 2)))
    return Params(
        max_new_tokens=NEW_TOKENS[length],
        temperature=TEMPERATURE[adventurous],
        top_p=TOP_P,
        repetition_penalty=REPETITION_PENALTY,
        no_repeat_ngram_size=NO_REPEAT_NGRAM_SIZE,
        variants=int(str(cell.params.get("variants", 1))),
        required=_phrases(cell, "required"),
        banned=_phrases(cell, "banned"),
        limit=limit_of(cell.params.get("limit")),
    )


def _segments(parts: tuple[str | Reference, ...], standing: Standing) -> list[Segment]:
    """Return the segments; a reference that ends the instruction gets lines of its own."""
    segments: list[Segment] = []
    last = max((i for i, part in enumerate(parts) if not isinstance(part, str)), default=-1)
    ends = last > 0 and all(
        isinstance(part, str) and not part.strip(CLOSING) for part in parts[last + 1 :]
    )
    for place, part in enumerate(parts):
        if isinstance(part, str):
            text = part.rstrip(CLOSING) + ":\n" if ends and place == last - 1 else part
            if not (ends and place > last):
                segments.append(Text(text=text))
        else:
            segments.append(_read(part, standing))
    return segments


def _read(reference: Reference, standing: Standing) -> Segment:
    key = str(reference.target)
    if reference.mode == "live" and reference.target in standing.steps:
        return StepOutput(step=key)
    output = standing.outputs.get(reference.target) if reference.mode == "live" else None
    return Source(ref=key, text=standing.texts[reference], output=output)
