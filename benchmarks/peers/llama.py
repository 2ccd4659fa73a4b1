"""llama.cpp through its C interface: as its server does, slots that are decoded together.

A new job takes the free slot whose tokens begin most like its prompt, and copies from any other slot what
that one has computed beyond. Each pass takes one token of everybody who writes and fills up with prompts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib.metadata import version

import llama_cpp
import numpy as np

from benchmarks.peers import work
from benchmarks.peers.places import model as place

SLOTS = 32
SLOT_TOKENS = 1024
BATCH_TOKENS = 512
FORMS = {"fp32": "f32", "int8": "q8_0", "w4": "q4_0"}


class LlamaFailed(Exception):
    """llama.cpp refused."""


@dataclass
class Slot:
    """A sequence in memory: what of it is computed, and what is to be."""

    number: int
    tokens: list[int] = field(default_factory=list)
    computed: int = 0
    job_id: str = ""  # empty: free
    left: int = 0  # tokens to write

    @property
    def pending(self) -> int:
        """Return how many tokens are not computed."""
        return len(self.tokens) - self.computed

    def shared(self, prompt: list[int]) -> int:
        """Return how many tokens computed here begin the prompt; its last is computed in any case."""
        count = 0
        for ours, theirs in zip(self.tokens[: self.computed], prompt[:-1], strict=False):
            if ours != theirs:
                break
            count += 1
        return count


class LlamaCpp:
    """Decodes slots together."""

    def __init__(self) -> None:
        self._slots = [Slot(number) for number in range(SLOTS)]
        self._line: list[tuple[str, list[int], int]] = []

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the model from its mapped file."""
        llama_cpp.llama_backend_init()
        path = str(place(model, f"gguf-{FORMS[precision]}.gguf")).encode()
        loaded = llama_cpp.llama_model_load_from_file(path, llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = SLOTS * SLOT_TOKENS
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = SLOTS
        params.n_threads = params.n_threads_batch = work.THREADS
        params.kv_unified = True  # or a prefix could not be shared without copying all of it
        self._context = llama_cpp.llama_init_from_model(loaded, params)
        if not loaded or not self._context:
            raise LlamaFailed(f"wanted {path.decode()}, got nothing")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(loaded))
        self._batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)
        return {"llama-cpp-python": version("llama-cpp-python"), "form": FORMS[precision]}

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Give a job a slot, or let it wait for one."""
        free = [slot for slot in self._slots if not slot.job_id]
        if not free:
            self._line.append((job_id, prompt, new_tokens))
            return
        slot = max(free, key=lambda each: (each.shared(prompt), -each.computed))
        best = max(self._slots, key=lambda each: each.shared(prompt))
        kept, found = slot.shared(prompt), best.shared(prompt)
        llama_cpp.llama_memory_seq_rm(self._memory, slot.number, kept, -1)
        if found > kept:
            llama_cpp.llama_memory_seq_rm(self._memory, slot.number, -1, -1)
            llama_cpp.llama_memory_seq_cp(self._memory, best.number, slot.number, 0, found)
            kept = found
        slot.tokens, slot.computed = list(prompt), kept
        slot.job_id, slot.left = job_id, new_tokens

    def step(self) -> list[work.Token]:
        """Decode one batch; return the tokens that it brought."""
        rows = self._fill()
        if llama_cpp.llama_decode(self._context, self._batch) != 0:
            raise LlamaFailed(f"wanted {self._batch.n_tokens} tokens decoded, got a refusal")
        chosen = [(slot, self._choose(row)) for slot, row in rows]
        at = time.perf_counter()
        return [self._take(slot, token, at) for slot, token in chosen]

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run the clients."""
        return work.drive(self, clients)

    def figures(self) -> dict[str, float]:
        """Tell nothing."""
        return {}

    def _fill(self) -> list[tuple[Slot, int]]:
        """Put tokens into the batch; return the slots that get a token, with their rows."""
        busy = [slot for slot in self._slots if slot.job_id]
        busy.sort(key=lambda slot: slot.pending)  # who writes comes first
        self._batch.n_tokens = 0
        rows = []
        for slot in busy:
            count = min(slot.pending, BATCH_TOKENS - self._batch.n_tokens)
            for position in range(slot.computed, slot.computed + count):
                self._put(slot, position)
            slot.computed += count
            if count and not slot.pending:
                rows.append((slot, self._batch.n_tokens - 1))
        return rows

    def _put(self, slot: Slot, position: int) -> None:
        row = self._batch.n_tokens
        self._batch.token[row] = slot.tokens[position]
        self._batch.pos[row] = position
        self._batch.n_seq_id[row] = 1
        self._batch.seq_id[row][0] = slot.number
        self._batch.logits[row] = position == len(slot.tokens) - 1
        self._batch.n_tokens = row + 1

    def _choose(self, row: int) -> int:
        logits = llama_cpp.llama_get_logits_ith(self._context, row)
        return int(np.ctypeslib.as_array(logits, shape=(self._vocabulary,)).argmax())

    def _take(self, slot: Slot, token: int, at: float) -> work.Token:
        """Add a token to a slot; the last one frees it for who waits."""
        said = work.Token(slot.job_id, token, at)
        slot.tokens.append(token)
        slot.left -= 1
        if slot.left == 0:
            slot.job_id = ""
            if self._line:
                self.add(*self._line.pop(0))
        return said


if __name__ == "__main__":
    work.serve(LlamaCpp())
