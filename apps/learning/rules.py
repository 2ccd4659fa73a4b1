"""What people made of an output, as training examples: facts in, examples out, no database.

The distances are starting values (normalised Levenshtein, 0 is untouched). Why they are as they are:
an untouched text is only good when somebody put their name to it; a pair whose texts hardly differ can
teach a model to like both less; a text written anew says little about the one before it; and a fact that
the model was never told would teach it to invent.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from apps.learning.edit_classes import EditClass, edit_class

UNTOUCHED_UNTIL = 0.02  # up to here nobody changed anything that counts
PAIR_FROM = 0.05  # from here on the difference is large enough for a pair
PAIR_UNTIL = 0.60  # above it the text was written anew
STRONG, WEAK = 1.0, 0.5  # weights of what says "good" or "not good"
SPLIT_SHARES = {"train": 0.90, "valid": 0.05, "test": 0.05}
SPLIT_SALT = "2027-1"  # another one deals the notebooks anew

# The strongest first. Until there are approvals, a release is the word of somebody responsible.
SETTLE_ORDER = ("approved", "published", "released", "downloaded", "idle")
PUT_A_NAME_TO = frozenset({"approved", "published", "released"})


class Kind(StrEnum):
    """The formats of examples, by the method that is trained with them."""

    SFT = "sft"
    DPO = "dpo"
    KTO = "kto"


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """One message of a prompt, as the model read it."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Written:
    """A text as a model wrote it."""

    id: str
    prompt: tuple[ChatMessage, ...]
    text: str
    finish_reason: str


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What stood in its place when the cell settled."""

    settle: str
    final_text: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class Said:
    """What people said of an output, or showed otherwise than by editing."""

    thumbs_down: bool = False
    regenerated: bool = False
    adopted: bool = False


@dataclass(frozen=True, kw_only=True)
class Example:
    """One line of a training file; `output` is the text that it says something about."""

    kind: Kind
    output: str
    prompt: tuple[ChatMessage, ...]
    chosen: str  # SFT and KTO: the completion
    rejected: str = ""  # pairs only
    label: bool | None = None  # KTO only
    weight: float = STRONG
    edit_class: EditClass | None = None


class LeftOut(StrEnum):
    """Why something became no example."""

    CUT_OFF = "cut_off"  # the model did not come to an end by itself
    EMPTY = "empty"
    FACT = "knowledge_gap"  # people put in what the model was not told
    CONTRADICTION = "contradiction"  # one calls the text good and another does not
    OTHER_PROMPT = "other_prompt"  # a pair must answer the same question
    SAME_TEXT = "same_text"
    DUPLICATE = "duplicate"


def refusal(written: Written) -> LeftOut | None:
    """Return why the output teaches nothing, whatever people made of it; None when it may."""
    if written.finish_reason != "stop":
        return LeftOut.CUT_OFF
    return None if written.text.strip() else LeftOut.EMPTY


def strongest(settles: Iterable[str]) -> str:
    """Return the settle event that says most."""
    return min(settles, key=SETTLE_ORDER.index)


def examples_of(
    written: Written, settled: Settled | None, said: Said
) -> tuple[list[Example], LeftOut | None]:
    """Return what one output and its fate teach, and why something was left out."""
    if (reason := refusal(written)) is not None:
        return [], reason
    good, kind = _edited(written, settled) if settled else ([], None)
    if kind is EditClass.FACT:
        return _bad(written, said), LeftOut.FACT
    bad = _bad(written, said)
    if bad and any(one.label for one in good):
        return [], LeftOut.CONTRADICTION
    if any(one.label is False for one in good):
        bad = []  # said already
    empty = LeftOut.EMPTY if settled and not settled.final_text.strip() else None
    return good + bad, empty


def pair_of(chosen: Written, over: Written) -> tuple[list[Example], LeftOut | None]:
    """Return the pair of two texts of models, of which a person took one and left the other."""
    if (reason := refusal(chosen) or refusal(over)) is not None:
        return [], reason
    if chosen.prompt != over.prompt:
        return [], LeftOut.OTHER_PROMPT
    if folded(chosen.text) == folded(over.text):
        return [], LeftOut.SAME_TEXT
    pair = Example(
        kind=Kind.DPO,
        output=chosen.id,
        prompt=chosen.prompt,
        chosen=chosen.text,
        rejected=over.text,
    )
    return [pair], None


def _edited(written: Written, settled: Settled) -> tuple[list[Example], EditClass]:
    """Return what the settled text teaches, and what kind of change it is."""
    distance, final = settled.distance, settled.final_text
    if distance <= UNTOUCHED_UNTIL:
        return _untouched(written, settled), EditClass.NONE
    if distance > PAIR_UNTIL or not final.strip():
        return [_kto(written, label=False)], EditClass.STYLE
    known = "\n".join(message.content for message in written.prompt)
    kind = edit_class(written.text, final, known=known)
    if kind is EditClass.FACT:
        return [], kind
    found = [_sft(written, final, kind)]
    if distance >= PAIR_FROM and folded(final) != folded(written.text):
        pair = Example(
            kind=Kind.DPO,
            output=written.id,
            prompt=written.prompt,
            chosen=final,
            rejected=written.text,
            edit_class=kind,
        )
        found.append(pair)
    return found, kind


def _untouched(written: Written, settled: Settled) -> list[Example]:
    if settled.settle in PUT_A_NAME_TO:
        return [_sft(written, written.text, EditClass.NONE), _kto(written, label=True)]
    if settled.settle == "downloaded":
        return [_kto(written, label=True, weight=WEAK)]
    return []  # nobody may have looked at it


def _bad(written: Written, said: Said) -> list[Example]:
    if said.thumbs_down:
        return [_kto(written, label=False)]
    if said.regenerated and not said.adopted:
        return [_kto(written, label=False, weight=WEAK)]
    return []


def _sft(written: Written, text: str, kind: EditClass) -> Example:
    return Example(
        kind=Kind.SFT, output=written.id, prompt=written.prompt, chosen=text, edit_class=kind
    )


def _kto(written: Written, *, label: bool, weight: float = STRONG) -> Example:
    return Example(
        kind=Kind.KTO,
        output=written.id,
        prompt=written.prompt,
        chosen=written.text,
        label=label,
        weight=weight,
    )


def folded(text: str) -> str:
    """Return the text as duplicates are told: composed, every white space one blank."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def dedupe_key(example: Example) -> str:
    """Return the sha256 of what makes two examples one; the texts left are part of a pair."""
    parts = [example.kind, *(f"{one.role}:{one.content}" for one in example.prompt)]
    parts += [example.chosen, example.rejected]
    return hashlib.sha256("\0".join(folded(part) for part in parts).encode()).hexdigest()


def split_of(group: str) -> str:
    """Return the part that a group of connected notebooks belongs to, always the same one."""
    digest = hashlib.sha256(f"{SPLIT_SALT}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    for name, share in SPLIT_SHARES.items():
        if place < share:
            return name
        place -= share
    return "test"


def groups_of(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return for every notebook the name of its connected group: the smallest id in it."""
    parents: dict[str, str] = {}

    def root(one: str) -> str:
        parents.setdefault(one, one)
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        return one

    for left, right in links:
        low, high = sorted((root(left), root(right)))
        parents[high] = low
    return {one: root(one) for one in list(parents)}


def without_duplicates(examples: Iterable[Example], seen: set[str]) -> Iterator[Example | None]:
    """Yield each example once; None in place of a repetition."""
    for example in examples:
        key = dedupe_key(example)
        yield None if key in seen else example
        seen.add(key)
