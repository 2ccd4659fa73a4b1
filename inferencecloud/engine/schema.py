"""Let only tokens pass that keep the answer on its way to JSON of a schema (llguidance: Moskal et al. 2025).

Between the parts of the JSON stands what `json.dumps` puts there: where spaces are free, small models put
spaces for ever.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from numpy.typing import NDArray

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.vocabulary import Vocabulary

_KEPT_SCHEMAS = 64  # of each vocabulary


class InvalidSchema(EngineError):
    """A JSON schema cannot be followed."""

    def __init__(self, problem: object) -> None:
        super().__init__(f"Wanted a JSON schema that an answer can follow, got one with: {problem}")


class _Compiler:
    """Compiles schemas for one vocabulary, each once as long as it is in use."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        backend = vocabulary.tokenizer.backend_tokenizer
        self._tokenizer = LLTokenizer(
            backend.to_str(),
            n_vocab=vocabulary.size,
            eos_token=sorted(vocabulary.end_ids),
            slices=LLTokenizer.json_slices(),
        )
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()
        self._lock = threading.Lock()

    def matcher(self, schema: str) -> LLMatcher:
        """Return a matcher at its beginning."""
        with self._lock:
            compiled = self._compiled.get(schema)
            if compiled is None:
                compiled = self._compiled[schema] = self._compile(schema)
            self._compiled.move_to_end(schema)
            while len(self._compiled) > _KEPT_SCHEMAS:
                self._compiled.popitem(last=False)
            return compiled.deep_copy()

    def _compile(self, schema: str) -> LLMatcher:
        try:
            parsed = json.loads(schema)
        except ValueError as error:
            raise InvalidSchema(f"text that is not JSON ({error})") from error
        if not isinstance(parsed, dict):
            raise InvalidSchema(f"{type(parsed).__name__} where an object was wanted")
        grammar = LLMatcher.grammar_from_json_schema(
            schema,
            overrides={
                "whitespace_flexible": False,
                "item_separator": ", ",
                "key_separator": ": ",
            },
        )
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise InvalidSchema(" ".join(matcher.get_error().split())[:300])
        return matcher


_compilers: WeakKeyDictionary[Vocabulary, _Compiler] = WeakKeyDictionary()
_lock = threading.Lock()


def _compiler(vocabulary: Vocabulary) -> _Compiler:
    with _lock:
        if vocabulary not in _compilers:
            _compilers[vocabulary] = _Compiler(vocabulary)
        return _compilers[vocabulary]


class AnswerOffSchema(EngineError):
    """The answer so far is not the beginning of what the schema allows."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"Wanted an answer that follows its JSON schema, got one that left it: {problem}"
        )


class SchemaMatcher:
    """Follows one answer through a schema."""

    def __init__(self, schema: str, vocabulary: Vocabulary) -> None:
        self._start = _compiler(vocabulary).matcher(schema)
        self._matcher = self._start.deep_copy()
        self._read: list[int] = []
        self._size = vocabulary.size

    def allowed(self, answer: Sequence[int]) -> NDArray[np.bool_]:
        """Return for every token (V) whether it may come next.

        Raises:
            AnswerOffSchema: The answer holds what the schema does not allow (that of an earlier attempt may).
        """
        read = len(self._read)
        if list(answer[:read]) != self._read:
            self._matcher, self._read, read = self._start.deep_copy(), [], 0
        new = list(answer[read:])
        if new and not self._matcher.consume_tokens(new):
            problem = self._matcher.get_error()
            self._matcher, self._read = self._start.deep_copy(), []
            raise AnswerOffSchema(problem)
        self._read += new
        mask = np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8)
        return mask[: self._size] != 0
