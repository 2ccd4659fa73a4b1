"""Muon: torch's own steps, in a precision that every processor has."""

from __future__ import annotations

import pytest
import torch

from inferencecloud.training.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(8, 8), (6, 12), (12, 6)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(2, *shape)
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert values.min() > 0.3
    assert values.max() < 1.4
    u, _, v = torch.linalg.svd(matrix[0], full_matrices=False)
    mixed = u.T @ orthogonalize(matrix)[0] @ v.T
    assert (mixed - torch.diag(mixed.diag())).abs().max() < 1e-3
    assert not orthogonalize(torch.zeros(1, 3, 3)).isnan().any()


@pytest.mark.parametrize("shape", [(16, 16), (16, 40), (40, 16)])
def test_steps_are_those_of_torch_up_to_its_rounding(shape: tuple[int, int]) -> None:
    torch.manual_seed(2)
    start = torch.randn(shape)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    one = Muon([ours], lr=0.02, weight_decay=0.05)
    other = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
    way = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.05 * way


def test_matrices_of_one_shape_move_as_they_would_alone_and_those_without_gradient_stay() -> None:
    torch.manual_seed(3)
    starts = [torch.randn(6, 6) for _ in range(3)]
    together = [torch.nn.Parameter(start.clone()) for start in starts]
    alone = [torch.nn.Parameter(start.clone()) for start in starts]
    for pair in zip(together[:2], alone[:2], strict=True):
        pair[0].grad = pair[1].grad = torch.randn(6, 6)
    Muon(together, lr=0.1).step()
    for parameter in alone:
        Muon([parameter], lr=0.1).step()
    for one, other, start in zip(together, alone, starts, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
        assert torch.equal(one, start) == (one.grad is None)
