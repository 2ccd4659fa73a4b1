"""An engine without a model: its text is a function of prompt and seed, and costs nothing.

It stands in for a model where the platform itself is tested or measured: the same interface, the same
streaming, stopping, resuming and limits, words at a pace that the script sets, failures where the script
wants them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.requests import FinishReason, Request, Resume
from inferencecloud.engine.serial import Chunk, GenerationFailed, ModelNotLoaded, SerialEngine, Turn
from inferencecloud.engine.text import TextStream

_WORDS = """
    amber bold bright calm care clear craft daily dawn ease every fair fine fresh gentle
    glow good grain grow hand harbor home honest joy keen kind light linen made maker
    meadow new open plain pure quiet ready river road simple soft solid spring steady
    stone strong summer sun sure tender true warm wave well wind wonder work world year
""".split()  # noqa: SIM905 - a list of fifty quoted words is harder to read
_SENTENCE_WORDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the engine plays."""

    words: int = 40  # of each text, unless the request's limit is smaller
    delay_s: float = 0.0  # before each word
    fail_when: str | None = None  # a prompt with this in it fails
    fail_after_tokens: int = 5
    workers: int = 1
    before_token: Callable[[str, int], None] | None = (
        None  # (request id, position): may wait, or raise
    )


class ScriptedEngine(SerialEngine):
    """Plays a script behind the Engine protocol."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        super().__init__(workers=self.script.workers)
        self._keys: dict[str, ModelInfo] = {}

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        """Pretend to load; nothing is read."""
        pace = 1.0 / self.script.delay_s if self.script.delay_s else 1e6
        self._keys[key] = ModelInfo(
            key=key,
            name=f"scripted {folder.name}",
            digest=hashlib.sha256(folder.name.encode()).hexdigest(),
            context_tokens=1 << 20,
            prefill_tokens_per_s=1e6,
            decode_tokens_per_s=pace,
        )
        return self._keys[key]

    def unload(self, key: str) -> None:
        """Forget the key."""
        self._keys.pop(key, None)

    def models(self) -> list[ModelInfo]:
        """Return what was loaded."""
        return list(self._keys.values())

    def count_tokens(self, key: str, text: str) -> int:
        """Return the number of words."""
        self._require_model(key)
        return len(text.split())

    def estimate_s(self, key: str, *, prompt_tokens: int, new_tokens: int) -> float:
        """Return the seconds that the script takes."""
        self._require_model(key)
        return prompt_tokens / 1e6 + min(new_tokens, self.script.words) * self.script.delay_s

    def _require_model(self, key: str) -> None:
        if key not in self._keys:
            raise ModelNotLoaded(key, list(self._keys))

    def _generate(self, request: Request, turns: Sequence[Turn]) -> Iterator[Chunk]:
        prompt = "\n".join(turn.text for turn in turns)
        start = hashlib.sha256(f"{request.sampling.seed}\0{prompt}".encode()).digest()
        stream = TextStream(_decode, request.sampling)
        resume = request.resume or Resume()
        done = list(resume.token_ids)
        stream.replay(done, resume)
        yield Chunk(prompt_tokens=len(prompt.split()), reason=stream.reason)
        words = min(self.script.words, request.sampling.max_new_tokens)
        for position in range(len(done), words):
            self._before_word(request.id, position, prompt)
            token_id = _token_at(start, position)
            text = stream.push(token_id)
            yield Chunk(text=text, token_ids=(token_id,), reason=stream.reason)
        limit = request.sampling.max_new_tokens < self.script.words
        end = FinishReason.LENGTH if limit else FinishReason.STOP
        rest = stream.finish()
        yield Chunk(text=rest, reason=stream.reason or end)

    def _before_word(self, request_id: str, position: int, prompt: str) -> None:
        script = self.script
        if script.before_token is not None:
            script.before_token(request_id, position)
        if script.delay_s:
            time.sleep(script.delay_s)
        if script.fail_when and script.fail_when in prompt and position >= script.fail_after_tokens:
            raise GenerationFailed(f"the script wants a failure at {script.fail_when!r}")


def _token_at(start: bytes, position: int) -> int:
    """Return the id of a word: its place in the list, and whether it begins or ends a sentence."""
    digest = hashlib.blake2b(start + position.to_bytes(4, "big"), digest_size=4).digest()
    word = int.from_bytes(digest, "big") % len(_WORDS)
    place = position % _SENTENCE_WORDS
    form = 3 if position == 0 else 2 if place == 0 else 1 if place == _SENTENCE_WORDS - 1 else 0
    return word * 4 + form


def _decode(token_ids: Sequence[int]) -> str:
    forms = (" {}", " {}.", " {}", "{}")
    pieces = []
    for token_id in token_ids:
        word, form = _WORDS[token_id // 4], token_id % 4
        pieces.append(forms[form].format(word.capitalize() if form >= 2 else word))
    return "".join(pieces)
