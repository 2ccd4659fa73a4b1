"""Keys and values as bytes with scales: the compiled kernels and torch's way, against plain arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from inferencecloud.engine.kernels import (
    BLOCK_TOKENS,
    BYTES,
    AttentionForm,
    RaggedBatch,
    available,
    page_shape,
    paged_attention,
    use_path,
    write_kv,
)
from tests.engine.kernels.test_attention import RAGGED, Case, _case, _expected, _form, _run

needs_native = pytest.mark.skipif(not available().is_native, reason="there is no compiled kernel")
KV_HEADS, DIM = 2, 32
F32 = np.float32


def _rounded(row: NDArray[np.float32]) -> tuple[NDArray[np.int8], np.float32]:
    """One row, number by number."""
    greatest = F32(max(abs(number) for number in row))
    if not np.isfinite(row).all():
        return np.zeros(len(row), np.int8), F32(np.nan)
    if greatest < F32(1e-30):
        return np.zeros(len(row), np.int8), F32(0)
    inverse = F32(127) / greatest
    codes = [round(float(F32(number * inverse))) for number in row]  # a tie goes to the even one
    return np.array(codes, np.int8), greatest / F32(127)


def _memory(blocks: int, kv_heads: int = KV_HEADS, dim: int = DIM) -> Tensor:
    return torch.full((blocks, kv_heads, *page_shape(dim, BYTES)), 77, dtype=BYTES)


def _page(memory: Tensor, block: int, head: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows of bytes and their scales, read from the page's bytes."""
    page = memory[block, head].numpy().tobytes()
    width = len(page) // BLOCK_TOKENS - 4
    numbers = np.frombuffer(page[: BLOCK_TOKENS * width], np.int8).reshape(BLOCK_TOKENS, width)
    return numbers, np.frombuffer(page[BLOCK_TOKENS * width :], np.float32)


def _as_bytes(case: Case) -> Case:
    """The case with its keys and values written to a memory of bytes; they become what is read there."""
    kv_heads, dim = case.k_cache.shape[1], case.k_cache.shape[3]
    made = replace(
        case,
        k_cache=_memory(len(case.k_cache), kv_heads, dim),
        v_cache=_memory(len(case.k_cache), kv_heads, dim),
        keys=[each.clone() for each in case.keys],
        values=[each.clone() for each in case.values],
    )
    for s, (keys, values) in enumerate(zip(made.keys, made.values, strict=True)):
        place = torch.arange(len(keys))
        table = made.batch.block_tables[s].long()
        slots = table[place // BLOCK_TOKENS] * BLOCK_TOKENS + place % BLOCK_TOKENS
        write_kv(keys, values, made.k_cache, v_cache=made.v_cache, slots=slots)
        for token, slot in enumerate(slots.tolist()):
            for head in range(kv_heads):
                for memory, rows in ((made.k_cache, keys), (made.v_cache, values)):
                    codes, scales = _page(memory, slot // BLOCK_TOKENS, head)
                    at = slot % BLOCK_TOKENS
                    rows[token, head] = torch.from_numpy(codes[at] * scales[at])
    return made


ROWS = {
    "random": torch.randn(1, DIM, generator=torch.Generator().manual_seed(1)),
    "zeros": torch.zeros(1, DIM),
    "negative zeros": -torch.zeros(1, DIM),
    "ties": torch.tensor([[127.0, *([0.5, -0.5, 1.5, -1.5, 2.5] * 6), 126.5]]),
    "one alone": torch.eye(DIM)[3:4] * -5,
    "tiny": torch.full((1, DIM), 1e-38),
    "just not tiny": torch.linspace(-1.01e-30, 1e-30, DIM)[None],
    "huge": torch.linspace(-3.4e38, 3.3e38, DIM)[None],
    "uneven": torch.logspace(-30, 30, DIM)[None],
    "nan": torch.tensor([[*([1.0] * (DIM - 1)), torch.nan]]),
    "infinite": torch.tensor([[-torch.inf, *([1.0] * (DIM - 1))]]),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_rounded_as_by_hand_and_nothing_beside_it_changes(path: str, name: str) -> None:
    k_cache, v_cache = _memory(3), _memory(3)
    keys = torch.stack([ROWS[name], ROWS["random"]], dim=1)  # (1, G, D)
    values = torch.stack([ROWS["ties"], ROWS[name]], dim=1)
    write_kv(keys, values, k_cache, v_cache=v_cache, slots=torch.tensor([2 * BLOCK_TOKENS + 5]))
    for memory, rows in ((k_cache, keys), (v_cache, values)):
        for head in range(KV_HEADS):
            codes, scales = _page(memory, 2, head)
            wanted, scale = _rounded(rows[0, head].numpy())
            assert codes[5].tolist() == wanted.tolist()
            assert np.array_equal(scales[5], scale, equal_nan=True)
        fresh = _memory(3)
        fresh[2, :, 5 * DIM : 6 * DIM] = memory[2, :, 5 * DIM : 6 * DIM]
        at = BLOCK_TOKENS * DIM + 5 * 4
        fresh[2, :, at : at + 4] = memory[2, :, at : at + 4]
        assert torch.equal(memory, fresh)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "dim"), [(4, 4, 64), (6, 2, 32), (14, 2, 80), (3, 1, 16)]
)
@pytest.mark.parametrize("window", [0, 7, 100])
def test_a_ragged_batch_gets_what_plain_attention_gives(
    path: str, heads: int, kv_heads: int, dim: int, window: int
) -> None:
    case = _as_bytes(_case(RAGGED, heads=heads, kv_heads=kv_heads, dim=dim))
    form = _form(case, window=window, soft_cap=3.0 if window == 7 else 0.0)
    torch.testing.assert_close(
        _run(case, form).double(), _expected(case, form), atol=4e-6, rtol=4e-5
    )


def test_bytes_are_near_to_what_they_stand_for(path: str) -> None:
    plain = _case(RAGGED)
    wanted = _run(plain, _form(plain))
    got = _run(_as_bytes(plain), _form(plain))
    assert (got - wanted).norm() / wanted.norm() < 0.02


@pytest.mark.parametrize("size", [1e-20, 1e18])
def test_keys_and_values_of_any_size_stay_sound(path: str, size: float) -> None:
    plain = _case([(40, 140), (1, 90)])
    plain.keys = [each * size for each in plain.keys]
    plain.values = [each * size for each in plain.values]
    plain.q /= size
    case = _as_bytes(plain)
    torch.testing.assert_close(
        _run(case, _form(case)).double() / size,
        _expected(case, _form(case)) / size,
        atol=4e-6,
        rtol=4e-5,
    )


@pytest.mark.parametrize("spoiled", ["keys", "values"])
def test_a_row_of_no_numbers_spoils_what_reads_it_and_nothing_else(path: str, spoiled: str) -> None:
    """One head of token 20 of the middle sequence: its later tokens see it, in that head."""
    lengths = [(3, 30), (1, 40), (4, 50)]
    plain = _case(lengths, heads=4, kv_heads=2)
    expected = _run(_as_bytes(plain), _form(plain))
    getattr(plain, spoiled)[1][20, 1, 3] = torch.nan
    got = _run(_as_bytes(plain), _form(plain))
    assert got[3, 2:].isnan().all()
    got[3, 2:] = expected[3, 2:]
    assert torch.equal(got, expected)


@needs_native
@pytest.mark.usefixtures("compiled_path")
@pytest.mark.parametrize("spoiled", ["keys", "values"])
def test_tokens_before_a_row_of_no_numbers_do_not_see_it(spoiled: str) -> None:
    """Compiled, that holds within a piece of a prompt, too; torch multiplies what is not seen with 0."""
    plain = _case([(50, 50)])
    expected = _run(_as_bytes(plain), _form(plain))
    getattr(plain, spoiled)[0][20, :, 3] = torch.inf
    got = _run(_as_bytes(plain), _form(plain))
    assert got[20:].isnan().all()
    assert torch.equal(got[:20], expected[:20])


def test_a_sequence_gets_the_same_bits_alone_and_in_a_batch(path: str) -> None:
    case = _as_bytes(_case(RAGGED, heads=6))
    form = _form(case, window=50)
    together = _run(case, form)
    torch.set_num_threads(3)
    assert torch.equal(_run(case, form), together)
    for s in range(len(RAGGED)):
        begin, end = case.batch.query_start[s : s + 2].tolist()
        alone = _piece(case, s, (begin, end), int(case.batch.context[s]), form)
        assert torch.equal(alone, together[begin:end])


@needs_native
@pytest.mark.usefixtures("compiled_path")
def test_the_compiled_kernel_gives_the_same_bits_however_a_prompt_is_cut() -> None:
    """Torch's products depend on how many rows there are."""
    case = _as_bytes(_case([(150, 150)], heads=6))
    expected = _run(case, _form(case))
    for begin, end in [(0, 1), (0, 37), (37, 100), (100, 150), (149, 150)]:
        got = _piece(case, 0, (begin, end), end, _form(case))
        assert torch.equal(got, expected[begin:end])


def _piece(
    case: Case, sequence: int, rows: tuple[int, int], context: int, form: AttentionForm
) -> Tensor:
    begin, end = rows
    batch = RaggedBatch(
        query_start=torch.tensor([0, end - begin], dtype=torch.int32),
        context=torch.tensor([context], dtype=torch.int32),
        block_tables=case.batch.block_tables[sequence : sequence + 1],
    )
    return paged_attention(case.q[begin:end], case.k_cache, case.v_cache, batch=batch, form=form)


@needs_native
def test_torch_reads_what_the_kernel_wrote_and_the_other_way_round() -> None:
    plain, before = _case(RAGGED), available().path
    compiled = _as_bytes(plain)
    wanted = _run(compiled, _form(plain))
    try:
        use_path("torch")
        by_torch = _as_bytes(plain)
        got = _run(compiled, _form(plain))
    finally:
        use_path(before)
    assert torch.equal(by_torch.k_cache, compiled.k_cache)
    assert torch.equal(by_torch.v_cache, compiled.v_cache)
    torch.testing.assert_close(got, wanted, atol=4e-6, rtol=4e-5)


def test_bfloat16_is_kept_as_bytes_too(path: str) -> None:
    case = _as_bytes(_case([(5, 40), (1, 9)]))
    expected = _run(case, _form(case))
    case.q = case.q.bfloat16()
    torch.testing.assert_close(_run(case, _form(case)).float(), expected, rtol=0.05, atol=0.05)
    k_cache, v_cache = _memory(1), _memory(1)
    row = ROWS["random"].bfloat16().expand(1, KV_HEADS, DIM)
    write_kv(row, row, k_cache, v_cache=v_cache, slots=torch.tensor([3]))
    assert _page(k_cache, 0, 1)[0][3].tolist() == _rounded(row[0, 1].float().numpy())[0].tolist()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda memory: memory[:, :, :-1].contiguous(),  # no whole number of rows
        lambda memory: memory[:, :, : 4 * BLOCK_TOKENS].contiguous(),  # scales alone
        lambda memory: memory[0],
        lambda memory: memory[:, :, None].contiguous(),
        lambda memory: memory[:, :, : BLOCK_TOKENS * (DIM // 2 + 4)].contiguous(),
    ],
)
def test_a_memory_that_does_not_fit_is_refused(path: str, spoil: object) -> None:
    assert callable(spoil)
    case = _as_bytes(_case([(2, 5)], dim=DIM))
    kv = spoil(case.k_cache), spoil(case.v_cache)
    rows = torch.zeros(1, KV_HEADS, DIM)
    for call in (
        lambda: paged_attention(case.q, *kv, batch=case.batch, form=_form(case)),
        lambda: write_kv(rows, rows, kv[0], v_cache=kv[1], slots=torch.tensor([0])),
    ):
        with pytest.raises((ValueError, RuntimeError), match=r"\d"):
            call()


def test_keys_and_values_of_two_types_are_refused(path: str) -> None:
    case = _as_bytes(_case([(2, 5)]))
    with pytest.raises(ValueError, match=r"\d|type"):
        paged_attention(
            case.q,
            case.k_cache,
            case.v_cache.view(torch.uint8),
            batch=case.batch,
            form=_form(case),
        )


@pytest.mark.parametrize("slots", [[0, 48], [-1, 0], [0]])
def test_slots_that_are_not_there_are_refused(path: str, slots: list[int]) -> None:
    memory, rows = _memory(3), torch.zeros(2, KV_HEADS, DIM)
    with pytest.raises(ValueError, match=r"\d"):
        write_kv(rows[:, :1], rows, memory, v_cache=memory.clone(), slots=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"\d"):
        write_kv(rows, rows, memory, v_cache=memory.clone(), slots=torch.tensor(slots))
