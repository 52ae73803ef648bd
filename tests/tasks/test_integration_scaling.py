"""Latents scaled by the expression that they explain."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from scmamba.models import CellModel
from scmamba.models.cell.config import CellConfig
from scmamba.tasks._integration.scaling import expression_scale, scale_latent


def test_an_axis_is_scaled_by_what_it_explains_within_batches() -> None:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(400, 3)).astype(np.float32)
    batch_ids = rng.integers(0, 2, 400)
    loadings = np.array([[3.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 0]])
    shift = np.array([[0.0, 0, 0, 0], [9.0, 9, 9, 9]])  # between batches: it counts for nothing
    values = sparse.csr_matrix(latent @ loadings + shift[batch_ids])
    scale = expression_scale(latent, values, batch_ids)
    np.testing.assert_allclose(scale, scale.T)
    np.testing.assert_allclose(scale[0, 0] / scale[1, 1], 3, rtol=0.05)
    assert abs(scale[2]).max() < 0.05 * scale[0, 0]
    before, after = latent.var(0).sum(), (latent @ scale).var(0).sum()
    np.testing.assert_allclose(after, before, rtol=0.05)


def test_a_constant_latent_keeps_its_scale() -> None:
    values = sparse.csr_matrix(np.ones((6, 2)))
    scale = expression_scale(np.ones((6, 3), np.float32), values, np.zeros(6, np.int64))
    assert np.isfinite(scale).all() and np.linalg.det(scale) > 0


def test_heads_give_the_same_of_a_scaled_latent() -> None:
    config = CellConfig.of(
        n_genes=12,
        d_model=16,
        n_layer=0,
        value_type="lognorm",
        value_encoding="product",
        gene_norm=False,
        input_norm="none",
        pool="mean",
        n_latent=4,
        n_counts=10,
        n_batches=2,
        n_classes=3,
        batch_labels=True,
        adversary=True,
    )
    torch.manual_seed(0)
    model = CellModel(config).eval()
    values, ids = torch.rand(6, 10), torch.tensor([0, 1, 0, 1, 1, 0])
    heads = ("counts", "class", "adversary")
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    scale = root @ root.T + 0.5 * np.eye(4)
    with torch.no_grad():
        before = model.forward_matrix(values, ids, heads=heads)
        scale_latent(model, scale)
        after = model.forward_matrix(values, ids, heads=heads)
    wanted = before.cell_embedding.numpy() @ scale
    np.testing.assert_allclose(after.cell_embedding, wanted, rtol=1e-4, atol=1e-5)
    for name in ("count_log_share", "class_logits", "batch_logits"):
        there = getattr(before, name)
        torch.testing.assert_close(getattr(after, name), there, rtol=1e-4, atol=1e-5)
