"""Paged attention: the compiled kernel and torch's way, against plain scaled dot product attention."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from inferencecloud.engine.kernels import (
    BLOCK_TOKENS,
    AttentionForm,
    RaggedBatch,
    available,
    paged_attention,
    write_kv,
)

BATCH_FIELDS = ("query_start", "context", "block_tables")
needs_native = pytest.mark.skipif(not available().is_native, reason="there is no compiled kernel")


@dataclass
class Case:
    q: Tensor  # (N, H, D)
    keys: list[Tensor]  # of each sequence: (T, G, D)
    values: list[Tensor]
    k_cache: Tensor
    v_cache: Tensor
    batch: RaggedBatch


def _case(
    lengths: list[tuple[int, int]],
    *,
    heads: int = 4,
    kv_heads: int = 2,
    dim: int = 64,
    seed: int = 0,
) -> Case:
    """Sequences of (new tokens, context), their blocks dealt out at random in a memory full of NaN."""
    chance = torch.Generator().manual_seed(seed)
    needed = [-(-context // BLOCK_TOKENS) for _, context in lengths]
    total = sum(needed) + 3
    numbers = torch.randperm(total, generator=chance).int()
    k_cache = torch.full((total, kv_heads, BLOCK_TOKENS, dim), torch.nan)
    v_cache = k_cache.clone()
    tables = torch.full((len(lengths), max(needed, default=0) + 1), -1, dtype=torch.int32)
    keys, values, at = [], [], 0
    for s, (_, context) in enumerate(lengths):
        tables[s, : needed[s]] = numbers[at : at + needed[s]]
        at += needed[s]
        keys.append(torch.randn(context, kv_heads, dim, generator=chance))
        values.append(torch.randn(context, kv_heads, dim, generator=chance))
        place = torch.arange(context)
        slots = tables[s].long()[place // BLOCK_TOKENS] * BLOCK_TOKENS + place % BLOCK_TOKENS
        write_kv(keys[-1], values[-1], k_cache, v_cache=v_cache, slots=slots)
    new = torch.tensor([0, *(queries for queries, _ in lengths)])
    return Case(
        q=torch.randn(int(new.sum()), heads, dim, generator=chance) * 2,
        keys=keys,
        values=values,
        k_cache=k_cache,
        v_cache=v_cache,
        batch=RaggedBatch(
            query_start=new.cumsum(0).int(),
            context=torch.tensor([context for _, context in lengths], dtype=torch.int32),
            block_tables=tables,
        ),
    )


def _run(case: Case, form: AttentionForm) -> Tensor:
    return paged_attention(case.q, case.k_cache, case.v_cache, batch=case.batch, form=form)


def _form(case: Case, window: int = 0, soft_cap: float = 0.0) -> AttentionForm:
    return AttentionForm(scale=case.q.shape[-1] ** -0.5, window=window, soft_cap=soft_cap)


def _expected(case: Case, form: AttentionForm) -> Tensor:
    """Plain attention in float64, head by head."""
    out = torch.empty_like(case.q, dtype=torch.float64)
    starts = case.batch.query_start.tolist()
    group = case.q.shape[1] // case.k_cache.shape[1]
    for s, (keys, values) in enumerate(zip(case.keys, case.values, strict=True)):
        queries = case.q[starts[s] : starts[s + 1]].double()
        own = torch.arange(len(keys) - len(queries), len(keys))[:, None]
        token = torch.arange(len(keys))
        hidden = (token > own) | ((token <= own - form.window) if form.window else False)
        for head in range(case.q.shape[1]):
            key, value = keys[:, head // group].double(), values[:, head // group].double()
            scores = queries[:, head] @ key.T * form.scale
            if form.soft_cap:
                scores = form.soft_cap * torch.tanh(scores / form.soft_cap)
            weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
            out[starts[s] : starts[s + 1], head] = weights @ value
    return out


RAGGED = [
    (1, 1),
    (5, 5),
    (1, 16),
    (1, 17),
    (0, 30),
    (70, 200),
    (1, 64),
    (3, 65),
    (130, 130),
    (1, 300),
]


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2), (14, 2), (3, 1), (70, 1), (5, 5)])
def test_a_ragged_batch_gets_what_plain_attention_gives(
    path: str, heads: int, kv_heads: int
) -> None:
    case = _case(RAGGED, heads=heads, kv_heads=kv_heads)
    got = _run(case, _form(case))
    torch.testing.assert_close(got.double(), _expected(case, _form(case)), atol=2e-6, rtol=2e-5)


@pytest.mark.parametrize("dim", [8, 16, 32, 80, 96, 128, 256])
def test_every_width_of_head_works(path: str, dim: int) -> None:
    case = _case(RAGGED, dim=dim)
    got = _run(case, _form(case))
    torch.testing.assert_close(got.double(), _expected(case, _form(case)), atol=4e-6, rtol=2e-5)


@pytest.mark.parametrize("window", [1, 7, 16, 64, 100, 1000])
@pytest.mark.parametrize("soft_cap", [0.0, 3.0])
def test_windows_and_soft_caps_work(path: str, window: int, soft_cap: float) -> None:
    case = _case(RAGGED, heads=6)
    form = _form(case, window=window, soft_cap=soft_cap)
    torch.testing.assert_close(
        _run(case, form).double(), _expected(case, form), atol=4e-6, rtol=2e-5
    )


def test_blocks_before_the_window_may_be_given_away(path: str) -> None:
    case = _case([(2, 200)])
    form = _form(case, window=20)
    expected = _run(case, form)
    case.batch.block_tables[0, : (198 - 19) // BLOCK_TOKENS] = -1
    torch.testing.assert_close(_run(case, form), expected, atol=0, rtol=0)


def test_plain_attention_is_torchs(path: str) -> None:
    case = _case([(90, 90)])
    q = case.q.transpose(0, 1)
    k, v = (each[0].transpose(0, 1).repeat_interleave(2, 0) for each in (case.keys, case.values))
    expected = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1)
    torch.testing.assert_close(_run(case, _form(case)), expected, atol=2e-6, rtol=2e-5)


def test_a_sequence_gets_the_same_bits_alone_and_in_a_batch(path: str) -> None:
    case = _case(RAGGED, heads=6)
    together = _run(case, _form(case, window=50))
    starts = case.batch.query_start.tolist()
    for s in range(len(RAGGED)):
        alone = paged_attention(
            case.q[starts[s] : starts[s + 1]],
            case.k_cache,
            case.v_cache,
            batch=RaggedBatch(
                query_start=torch.tensor([0, starts[s + 1] - starts[s]], dtype=torch.int32),
                context=case.batch.context[s : s + 1],
                block_tables=case.batch.block_tables[s : s + 1],
            ),
            form=_form(case, window=50),
        )
        assert torch.equal(alone, together[starts[s] : starts[s + 1]])


@needs_native
def test_the_compiled_kernel_gives_the_same_bits_however_a_prompt_is_cut() -> None:
    whole = _case([(150, 150)], heads=6)
    expected = _run(whole, _form(whole))
    for begin, end in [(0, 1), (0, 37), (37, 100), (100, 150), (149, 150)]:
        piece = paged_attention(
            whole.q[begin:end],
            whole.k_cache,
            whole.v_cache,
            batch=RaggedBatch(
                query_start=torch.tensor([0, end - begin], dtype=torch.int32),
                context=torch.tensor([end], dtype=torch.int32),
                block_tables=whole.batch.block_tables,
            ),
            form=_form(whole),
        )
        assert torch.equal(piece, expected[begin:end])


@pytest.mark.parametrize("size", [1e-30, 1.0, 60.0])
def test_scores_of_any_size_stay_sound(path: str, size: float) -> None:
    case = _case([(40, 140), (1, 90)])
    case.q *= size
    got = _run(case, _form(case))
    torch.testing.assert_close(got.double(), _expected(case, _form(case)), atol=1e-4, rtol=1e-3)


def test_bfloat16_works(path: str) -> None:
    case = _case([(5, 40), (1, 9)])
    expected = _run(case, _form(case))
    got = paged_attention(
        case.q.bfloat16(),
        case.k_cache.bfloat16(),
        case.v_cache.bfloat16(),
        batch=case.batch,
        form=_form(case),
    )
    torch.testing.assert_close(got.float(), expected, rtol=0.05, atol=0.05)
    cache = torch.zeros(1, 2, BLOCK_TOKENS, 64, dtype=torch.bfloat16)
    write_kv(got[:1, :2], got[:1, 2:], cache, v_cache=cache.clone(), slots=torch.tensor([3]))
    assert torch.equal(cache[0, :, 3], got[0, :2])


def test_nan_in_a_query_spoils_its_own_row_alone(path: str) -> None:
    case = _case([(5, 20), (1, 9)])
    expected = _run(case, _form(case))
    case.q[2, 1, 3] = torch.nan
    got = _run(case, _form(case))
    assert got[2, 1].isnan().all()
    got[2, 1] = expected[2, 1]
    assert torch.equal(got, expected)


def test_threads_change_nothing(path: str) -> None:
    case = _case(RAGGED)
    expected = _run(case, _form(case))
    torch.set_num_threads(3)
    assert torch.equal(_run(case, _form(case)), expected)


def test_no_tokens_give_no_rows(path: str) -> None:
    case = _case([(0, 5)])
    assert _run(case, _form(case)).shape == (0, 4, 64)


@pytest.mark.parametrize(
    ("field", "tensor"),
    [
        ("block_tables", torch.tensor([[99]], dtype=torch.int32)),
        ("block_tables", torch.tensor([[-2]], dtype=torch.int32)),
        ("block_tables", torch.zeros(1, 0, dtype=torch.int32)),
        ("context", torch.tensor([1], dtype=torch.int32)),
        ("query_start", torch.tensor([0, 3], dtype=torch.int32)),
        ("query_start", torch.tensor([1, 2], dtype=torch.int32)),
        ("query_start", torch.tensor([0, 1, 2], dtype=torch.int32)),
    ],
)
def test_a_batch_that_leads_out_of_memory_is_refused(path: str, field: str, tensor: Tensor) -> None:
    case = _case([(2, 5)])
    fields = {name: getattr(case.batch, name) for name in BATCH_FIELDS}
    case.batch = RaggedBatch(**{**fields, field: tensor})
    with pytest.raises(ValueError, match=r"\d"):
        _run(case, _form(case))


def test_shapes_that_do_not_fit_are_refused(path: str) -> None:
    case = _case([(2, 5)])
    form = _form(case)
    for q in (case.q[:, :3], case.q[:, :, :32], case.q[:, 0]):
        with pytest.raises(ValueError, match=r"\d"):
            paged_attention(q, case.k_cache, case.v_cache, batch=case.batch, form=form)
    with pytest.raises(ValueError, match="shape"):
        paged_attention(case.q, case.k_cache, case.v_cache[1:], batch=case.batch, form=form)
    cache = case.k_cache[:, :, :8].contiguous()
    with pytest.raises(ValueError, match="head_dim"):
        paged_attention(case.q, cache, cache, batch=case.batch, form=form)


def test_keys_are_written_to_their_slots_and_nowhere_else(path: str) -> None:
    k_cache, v_cache = torch.zeros(3, 2, BLOCK_TOKENS, 16), torch.zeros(3, 2, BLOCK_TOKENS, 16)
    k, v = torch.randn(2, 2, 16), torch.randn(2, 2, 16)
    write_kv(k, v, k_cache, v_cache=v_cache, slots=torch.tensor([35, 0]))
    assert torch.equal(k_cache[2, :, 3], k[0])
    assert torch.equal(v_cache[0, :, 0], v[1])
    assert int(k_cache.count_nonzero()) == k.numel()
    assert int(v_cache.count_nonzero()) == v.numel()


@pytest.mark.parametrize("slots", [[0, 48], [-1, 0], [0]])
def test_slots_that_are_not_there_are_refused(path: str, slots: list[int]) -> None:
    cache = torch.zeros(3, 2, BLOCK_TOKENS, 16)
    k = torch.randn(2, 2, 16)
    with pytest.raises(ValueError, match=r"\d"):
        write_kv(k, k, cache, v_cache=cache.clone(), slots=torch.tensor(slots))
