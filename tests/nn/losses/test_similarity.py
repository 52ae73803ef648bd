"""Losses of embeddings against loops over pairs."""

import math

import pytest
import torch

from scmamba.nn.losses import (
    contrastive_loss,
    ecs_loss,
)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8])
def test_ecs_is_the_mean_over_all_pairs(threshold):
    cells = torch.randn(6, 5, dtype=torch.float64)
    terms = []
    for i in range(6):
        for j in range(6):
            cosine = 0.0
            if i != j:
                cosine = float(cells[i] @ cells[j]) / float(cells[i].norm() * cells[j].norm())
            terms.append(1 - (max(cosine, 0.0) - threshold) ** 2)
    assert float(ecs_loss(cells, threshold)) == pytest.approx(sum(terms) / 36)


@pytest.mark.parametrize("grouped", [False, True])
def test_contrast_against_a_loop_over_views(grouped):
    cells, same = torch.randn(8, 3), torch.tensor([0, 1, 2, 3, 0, 1, 2, 9])
    groups = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1]) if grouped else None
    terms = []
    for i in range(8):
        others = [j for j in range(8) if j != i and (groups is None or groups[j] == groups[i])]
        cosine = {j: float(torch.cosine_similarity(cells[i], cells[j], dim=0)) for j in others}
        partners = [j for j in others if same[j] == same[i]]
        if partners:
            weight = sum(math.exp(c / 0.5) for c in cosine.values())
            terms.append(-math.log(math.exp(cosine[partners[0]] / 0.5) / weight))
    assert len(terms) == 6
    got = contrastive_loss(cells, same, groups, 0.5)
    assert float(got) == pytest.approx(sum(terms) / 6, rel=1e-4)


def test_contrast_without_a_second_view_is_nothing():
    cells = torch.randn(3, 2, requires_grad=True)
    loss = contrastive_loss(cells, torch.arange(3))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(cells.grad, torch.zeros(3, 2))


def test_contrast_gradients_are_finite_where_a_view_stands_alone_in_its_group():
    cells = torch.randn(4, 2, requires_grad=True)
    contrastive_loss(cells, torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 2])).backward()
    assert cells.grad.isfinite().all()
