"""What a step is asked to write: messages of text, of standing sources and of other steps' outputs.

Pure and logic-less: no template engine ever sees what people write. Everything here goes to and comes
from JSON, because steps wait in the database.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from django.utils.translation import gettext as _

from apps.core.errors import DomainError
from inferencecloud.engine import Limit

Role = Literal["system", "user", "assistant"]
ROLES = ("system", "user", "assistant")


class StepInvalid(DomainError):
    """A step asks for something that cannot be."""


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


FILTERS: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "trim": str.strip,
    "first_line": _first_line,
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a run belongs to. This app never looks behind it; `kind.id` is the topic of its events."""

    kind: str
    id: str

    @property
    def topic(self) -> str:
        """Return where everyone who is looking listens."""
        return f"{self.kind}.{self.id}"

    @classmethod
    def of_topic(cls, topic: str) -> "Subject":
        """Return the subject of the topic."""
        kind, _, id_ = topic.partition(".")
        return cls(kind=kind, id=id_)


# Of the starter's 90 texts on 30 held-out products 3 % say four words in a row twice, without these
# two 23 %; as many name the product. A penalty of 1.3 makes it invent words.
REPETITION_PENALTY = 1.15
NO_REPEAT_NGRAM_SIZE = 8  # tokens: about four words


def most_tokens(aim: int) -> int:
    """Return how many tokens a text of about so many may have, in order to end with a sentence."""
    return aim + aim // 2


PHRASES = ("required", "banned")  # the parameters that hold words of people
LIMIT_HIGH = 10_000  # of any unit


@dataclass(frozen=True, kw_only=True)
class Params:
    """How a step writes."""

    max_new_tokens: int = 200  # more or less: see `most_tokens`
    temperature: float = 0.8
    top_p: float = 0.95
    repetition_penalty: float = 1.0  # 1 is none
    no_repeat_ngram_size: int = 0  # tokens; 0 is none
    seed: int | None = None  # None: each run draws its own
    variants: int = 1
    max_chars: int | None = None
    stop: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # phrases that the text is to say
    banned: tuple[str, ...] = ()  # phrases that it must not say
    limit: Limit | None = None  # how long it may be

    def __post_init__(self) -> None:
        """Refuse what no engine could do."""
        _check("max_new_tokens", self.max_new_tokens, between=(1, 8192))
        _check("temperature", self.temperature, between=(0, 2))
        _check("top_p", self.top_p, between=(0.01, 1))
        _check("repetition_penalty", self.repetition_penalty, between=(1, 2))
        _check("no_repeat_ngram_size", self.no_repeat_ngram_size, between=(0, 64))
        _check("variants", self.variants, between=(1, 8))
        _check("max_chars", 1 if self.max_chars is None else self.max_chars, between=(1, 100_000))
        if not all(self.stop):
            raise StepInvalid(_("Wanted words to stop at, got an empty one"))
        if not all(phrase.strip() for phrase in self.required):
            raise StepInvalid(_("Wanted phrases that the text must say, got a blank one"))
        if not all(phrase.strip() for phrase in self.banned):
            raise StepInvalid(_("Wanted phrases that the text must not say, got a blank one"))
        if self.limit is not None:
            _check("limit", self.limit.high, between=(1, LIMIT_HIGH))


def _check(name: str, value: float, *, between: tuple[float, float]) -> None:
    low, high = between
    if not low <= value <= high:
        message = _("Wanted %(name)s between %(low)s and %(high)s, got %(value)s")
        raise StepInvalid(message % {"name": name, "low": low, "high": high, "value": value})


@dataclass(frozen=True, kw_only=True)
class Text:
    """Words that stand in the prompt as they are."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """The standing text of something that was referenced; `output` says which output it is, if one."""

    ref: str
    text: str
    output: str | None = None
    apply: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepOutput:
    """What another step of the same run will have written (its first variant)."""

    step: str  # key
    apply: tuple[str, ...] = ()


Segment = Text | Source | StepOutput


@dataclass(frozen=True, kw_only=True)
class PromptMessage:
    """One message of the conversation that the model is shown."""

    role: Role
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """One step, as its owner wants it."""

    key: str  # the owner's name for it, unique within the run
    messages: tuple[PromptMessage, ...]
    params: Params = field(default_factory=Params)
    alias: str = "writer"
    label: str = ""  # what people call it, for messages
    reuse: bool = False  # take the output of equal inputs, if one was ever committed for this key
    context: Mapping[str, Any] = field(default_factory=dict)  # JSON, handed back with every event
    audience: Subject | None = None  # whose viewers see the words; None: those of the run's subject

    def __post_init__(self) -> None:
        """Refuse unknown filters and empty prompts."""
        if not any(message.segments for message in self.messages):
            raise StepInvalid(_("Wanted an instruction, got an empty one"))
        for segment in self.segments:
            for name in getattr(segment, "apply", ()):
                if name not in FILTERS:
                    message = _("Wanted one of the filters %(known)s, got “%(name)s”")
                    raise StepInvalid(message % {"known": ", ".join(FILTERS), "name": name})

    @property
    def segments(self) -> list[Segment]:
        """Return all segments in order."""
        return [segment for message in self.messages for segment in message.segments]

    @property
    def depends_on(self) -> list[str]:
        """Return the keys of the steps that this one reads, each once."""
        keys = [one.step for one in self.segments if isinstance(one, StepOutput)]
        return list(dict.fromkeys(keys))


def apply_filters(names: tuple[str, ...], text: str) -> str:
    """Return the text after the filters, in order."""
    for name in names:
        text = FILTERS[name](text)
    return text


def segment_to_json(segment: Segment) -> dict[str, Any]:
    """Return the segment as it waits in the database."""
    kind = {Text: "text", Source: "source", StepOutput: "step"}[type(segment)]
    return {"kind": kind, **asdict(segment)}


def segment_from_json(data: Mapping[str, Any]) -> Segment:
    """Return the segment of `segment_to_json`."""
    fields = dict(data)
    kind = fields.pop("kind")
    if "apply" in fields:
        fields["apply"] = tuple(fields["apply"])
    return {"text": Text, "source": Source, "step": StepOutput}[kind](**fields)


def messages_to_json(messages: tuple[PromptMessage, ...]) -> list[dict[str, Any]]:
    """Return the messages as they wait in the database."""
    return [
        {"role": one.role, "segments": [segment_to_json(segment) for segment in one.segments]}
        for one in messages
    ]


def messages_from_json(data: list[dict[str, Any]]) -> tuple[PromptMessage, ...]:
    """Return the messages of `messages_to_json`."""
    return tuple(
        PromptMessage(
            role=one["role"],
            segments=tuple(segment_from_json(segment) for segment in one["segments"]),
        )
        for one in data
    )


def params_to_json(params: Params) -> dict[str, Any]:
    """Return the parameters as they wait in the database, and as hashes see them.

    No limit and empty lists of phrases are left out: what was written before there were any keeps its hash.
    """
    written = asdict(params)
    limit = written.pop("limit")
    phrases = {name: list(written.pop(name)) for name in PHRASES}
    return {
        **written,
        "stop": list(params.stop),
        **{name: some for name, some in phrases.items() if some},
        **({"limit": limit} if limit else {}),
    }


def params_from_json(data: Mapping[str, Any]) -> Params:
    """Return the parameters of `params_to_json`."""
    phrases = {name: tuple(data.get(name, ())) for name in PHRASES}
    limit = Limit(**data["limit"]) if data.get("limit") else None
    return Params(**{**data, "stop": tuple(data["stop"]), **phrases, "limit": limit})


def normal(text: str) -> str:
    """Return the text as hashes see it: composed, lines trimmed, blank lines gone.

    What stands in a document went through paragraphs and back; that must not look like a change.
    """
    lines = unicodedata.normalize("NFC", text).splitlines()
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())


def input_hash(
    *,
    messages: tuple[PromptMessage, ...],
    params: Params,
    model_version: str,
    outputs: Mapping[str, str] | None = None,
) -> str:
    """Return the sha256 of everything that decides what is written.

    Args:
        messages: the prompt.
        params: how it is written.
        model_version: id of the model's version; empty when nothing serves the step.
        outputs: text of every step that the messages refer to, by key. A step's output and the same
            words standing in a document hash alike.
    """
    spelled = [
        [one.role, [_hashed(segment, outputs or {}) for segment in one.segments]]
        for one in messages
    ]
    body = json.dumps(
        [model_version, params_to_json(params), spelled], ensure_ascii=False, sort_keys=True
    )
    return hashlib.sha256(body.encode()).hexdigest()


def _hashed(segment: Segment, outputs: Mapping[str, str]) -> list[Any]:
    if isinstance(segment, Text):
        return ["text", normal(segment.text)]
    if isinstance(segment, Source):
        return ["read", segment.ref, list(segment.apply), normal(segment.text)]
    return ["read", segment.step, list(segment.apply), normal(outputs[segment.step])]
