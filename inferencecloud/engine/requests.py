"""What goes into an engine and what comes out: requests and deltas. Plain values, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from inferencecloud.engine.errors import EngineError
from inferencecloud.evaluation.limits import Limit

MAX_LOGPROBS = 20
NO_GUIDANCE, MAX_GUIDANCE_SCALE = 1.0, 10.0


class InvalidSampling(EngineError, ValueError):
    """A parameter of a request is out of its range."""

    def __init__(self, name: str, wanted: str, got: object) -> None:
        super().__init__(f"{name} must be {wanted}, got {got!r}.")


class EmptyPrompt(EngineError):
    """A request has nothing to say."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"The request {request_id} has no message with a segment in it.")


class Role(StrEnum):
    """Who speaks in a message of a chat."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(StrEnum):
    """Why a request brought forth no more."""

    STOP = "stop"  # the model ended, or a stop string came
    LENGTH = "length"  # max_new_tokens, or the context is full
    CHARS = "chars"  # max_chars or length cut it off
    CANCELLED = "cancelled"
    FAILED = "failed"
    SOURCE_MISSING = "source_missing"  # a request whose output it reads did not succeed

    @property
    def succeeded(self) -> bool:
        """Tell whether the text is a result that others may read."""
        return self in (FinishReason.STOP, FinishReason.LENGTH, FinishReason.CHARS)


@dataclass(frozen=True, slots=True)
class Text:
    """A segment that is known."""

    text: str


@dataclass(frozen=True, slots=True)
class OutputOf:
    """A segment that another request of the same stage will write.

    Attributes:
        request_id: The request whose whole text stands here.
        apply: A pure change to that text (`str.upper`); None leaves it as it is.
    """

    request_id: str
    apply: Callable[[str], str] | None = None


Segment = Text | OutputOf


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat: its segments are joined without anything between them."""

    role: Role
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are chosen, and when to end."""

    temperature: float = 0.0  # 0 is greedy
    top_p: float = 1.0  # 0 < top_p <= 1
    repetition_penalty: float = 1.0  # 1 is none; above it, what the answer said is less likely
    # No run of so many tokens comes twice in an answer, but where it quotes the prompt; 0: all may.
    no_repeat_ngram_size: int = 0
    seed: int = 0
    max_new_tokens: int = 256
    aim_tokens: int | None = None  # ends with the sentence that comes nearest to so many tokens
    max_chars: int | None = None  # ends at a word
    stop: tuple[str, ...] = ()  # not part of the text
    top_k: int = 0  # so many of the likeliest may be drawn; 0: all
    min_p: float = 0.0  # less likely than this share of the likeliest: not drawn; 0: all may be
    logprobs: int | None = None  # how many alternatives to report with each token; None: no report
    banned: tuple[str, ...] = ()  # words and phrases that must not appear
    banned_any_case: bool = True
    required: tuple[
        str, ...
    ] = ()  # phrases that are to appear: likelier until they do, in any case
    length: Limit | None = (
        None  # ends with the last sentence that fits, and not before it is reached
    )
    json_schema: str | None = None  # the text is JSON of this schema
    # How much more counts what the prompt makes likelier (`guidance`); 1: no more; None: as the model's
    # own settings have it.
    guidance_scale: float | None = None

    def __post_init__(self) -> None:
        self._check_choice()
        self._check_end()

    def _check_choice(self) -> None:
        if not 0 <= self.temperature <= 5:
            raise InvalidSampling("temperature", "between 0 and 5", self.temperature)
        if not 0 < self.top_p <= 1:
            raise InvalidSampling("top_p", "above 0 and at most 1", self.top_p)
        if not 0 < self.repetition_penalty <= 2:
            raise InvalidSampling(
                "repetition_penalty", "above 0 and at most 2", self.repetition_penalty
            )
        if self.no_repeat_ngram_size < 0:
            raise InvalidSampling("no_repeat_ngram_size", "at least 0", self.no_repeat_ngram_size)
        if self.top_k < 0:
            raise InvalidSampling("top_k", "at least 0", self.top_k)
        if not 0 <= self.min_p <= 1:
            raise InvalidSampling("min_p", "between 0 and 1", self.min_p)
        if (
            self.guidance_scale is not None
            and not NO_GUIDANCE <= self.guidance_scale <= MAX_GUIDANCE_SCALE
        ):
            wanted = f"None or 1 to {MAX_GUIDANCE_SCALE:g}"
            raise InvalidSampling("guidance_scale", wanted, self.guidance_scale)
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise InvalidSampling("logprobs", f"None or 0 to {MAX_LOGPROBS}", self.logprobs)

    def _check_end(self) -> None:
        if self.max_new_tokens < 1:
            raise InvalidSampling("max_new_tokens", "at least 1", self.max_new_tokens)
        if self.aim_tokens is not None and self.aim_tokens < 1:
            raise InvalidSampling("aim_tokens", "at least 1 or None", self.aim_tokens)
        if self.aim_tokens is not None and self.json_schema is not None:
            raise InvalidSampling("aim_tokens", "None where the text is JSON", self.aim_tokens)
        if self.max_chars is not None and self.max_chars < 1:
            raise InvalidSampling("max_chars", "at least 1 or None", self.max_chars)
        if self.length is not None and self.length.high < 1:
            raise InvalidSampling("length.high", "at least 1", self.length.high)
        if self.length is not None and self.json_schema is not None:
            raise InvalidSampling("length", "None where the text is JSON", self.length)
        if not all(self.stop):
            raise InvalidSampling("stop", "strings that are not empty", self.stop)
        if not all(phrase.strip() for phrase in self.banned):
            raise InvalidSampling("banned", "phrases that are not empty", self.banned)
        if not all(phrase.strip() for phrase in self.required):
            raise InvalidSampling("required", "phrases that are not empty", self.required)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """How far an earlier attempt at the request came.

    With the token ids the text goes on exactly as it would have; from text alone it goes on well.
    """

    token_ids: tuple[int, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One text to write."""

    id: str
    model: str  # the key under which the model was loaded
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    resume: Resume | None = None
    adapter: str | None = None  # the key under which one was loaded for the model
    # What follows an engine that serves one request at a time ignores.
    owner: str = ""  # whom fairness counts it for
    priority: int = 0  # smaller is sooner
    deadline_s: float | None = None  # from its submission; None: it may take as long as it takes

    def __post_init__(self) -> None:
        if self.deadline_s is not None and not self.deadline_s > 0:
            raise InvalidSampling("deadline_s", "above 0 or None", self.deadline_s)
        if not any(message.segments for message in self.messages):
            raise EmptyPrompt(self.id)

    @property
    def sources(self) -> frozenset[str]:
        """Return the ids of the requests whose output it reads."""
        return frozenset(
            segment.request_id
            for message in self.messages
            for segment in message.segments
            if isinstance(segment, OutputOf)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a request ended, and what it took."""

    reason: FinishReason
    error: EngineError | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0  # those of an earlier attempt included
    waited_s: float = 0.0  # from its being ready to its start
    first_token_s: float | None = None  # from its being ready
    total_s: float = 0.0  # from its being ready


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have come, and how likely the model itself found it (natural logarithm)."""

    token_id: int  # -1 where only the text is known
    text: str  # what the token alone reads like
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that came, and the likeliest in its place, whatever the sampling made of them."""

    chosen: Alternative
    top: tuple[Alternative, ...] = ()  # falling


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What is new of one request. The texts of its deltas, joined, are its text; so with the ids."""

    request_id: str
    text: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()  # one for each token, where the request wants them
    finish: Finish | None = None
