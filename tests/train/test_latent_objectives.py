"""Objectives of a latent: what they look at, and that each alone trains what it names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from scmamba.models import CellModel, CellOutput, preset
from scmamba.nn.losses import contrastive_loss, gaussian_kl, negative_binomial_nll
from scmamba.stream import CellData, GeneSubsetBatches, GeneSubsets
from scmamba.train import (
    CLS,
    DAB,
    ECS,
    GEP,
    KL,
    MVC,
    NB,
    Contrast,
    GeneSubsetEpochs,
    Objective,
    Ramp,
    SupCon,
    TrainConfig,
    train,
)
from scmamba.train.budget import Pace, TimeBudget
from scmamba.train.module import TrainingModule

N_GENES = 24


@pytest.fixture
def counts() -> sparse.csr_matrix:
    rng = np.random.default_rng(2)
    labels = np.arange(48) % 2
    high = (np.arange(N_GENES) < N_GENES // 2)[None] == (labels == 0)[:, None]
    return sparse.csr_matrix(rng.poisson(np.where(high, 3.0, 0.7)), dtype=np.float32)


@pytest.fixture
def cells(data: CellData) -> CellData:
    return replace(data, batch_ids=np.arange(48) // 24)


def model(data: CellData, **changes: object) -> CellModel:
    torch.manual_seed(5)
    sizes = {"d_model": 16, "n_layer": 0, "value_type": "lognorm", "headdim": 8, "dropout": 0.0}
    parts = {
        "value_encoding": "scaled",
        "pool": "mean",
        "pool_masked": False,
        "final_norm": False,
        "cell_norm": True,
        "cell_domains": 2,
        "n_batches": 2,
        "adversary": True,
        "n_latent": 4,
        "n_counts": N_GENES,
        "n_classes": 2,
        "input_norm": "none",
    }
    return CellModel(preset("mini", n_genes=len(data.vocab), **{**sizes, **parts, **changes}))


def run(
    net: CellModel,
    data: CellData,
    counts: sparse.csr_matrix,
    objectives: list[Objective[Any, Any]],
    **config: object,
) -> dict[str, list[float]]:
    settings = TrainConfig(
        **{"epochs": 12, "batch_size": 24, "lr": 1e-2, "ema": 0.0, "mask_ratio": 0.3, **config}
    )
    batches = GeneSubsetEpochs(data, np.arange(48), GeneSubsets(2, 0.7), settings, counts=counts)
    return train(net, batches, objectives, settings).history.to_dict("list")


@pytest.mark.parametrize(
    "objective",
    [NB(0.01), KL(), Contrast(), SupCon(), ECS(1.0, 0.5), MVC(), GEP(), CLS()],
    ids=lambda o: o.name,
)
def test_each_alone_is_live_weighted_and_logged(cells, counts, objective) -> None:
    net = model(cells)
    with torch.no_grad():  # away from the prior, so that there is something to learn
        net.heads["latent"].out.bias += 1
    history = run(net, cells, counts, [objective])
    losses = history[f"train_{objective.name}"]
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(history["train_loss"], objective.weight * np.array(losses), 1e-5)


def test_the_adversary_learns_while_its_gradient_is_held_back(cells, counts) -> None:
    net = model(cells, cell_norm=False, cell_domains=0)
    before = net.gene_embedding.embedding.weight.clone()
    net.heads["adversary"].reversal.scale = 0.0
    losses = run(net, cells, counts, [DAB()], epochs=40, weight_decay=0.0)["train_dab"]
    assert len(losses) == 40
    assert losses[-1] < losses[0] - 0.01
    torch.testing.assert_close(net.gene_embedding.embedding.weight, before)


def test_a_reversed_gradient_hides_what_a_plain_one_finds(cells, counts) -> None:
    """Batches differ in a gene; the encoder alone is trained, against a head that knows it."""
    plain = model(cells, cell_norm=False, cell_domains=0)
    run(plain, cells, counts, [DAB()], epochs=3)
    start = plain.state_dict()
    found = {}
    for scale in (-1.0, 1.0):
        net = model(cells, cell_norm=False, cell_domains=0)
        net.load_state_dict(start)
        net.heads["adversary"].requires_grad_(False)
        net.heads["adversary"].reversal.scale = scale
        found[scale] = run(net, cells, counts, [DAB()])["train_dab"]
    assert found[-1.0][-1] < found[-1.0][0] < found[1.0][-1]


def test_nb_looks_at_the_whole_cells_counts(cells, counts) -> None:
    batch = next(
        iter(GeneSubsetBatches(cells, np.arange(48), GeneSubsets(), batch_size=12, counts=counts))
    )
    share = torch.randn(len(batch), N_GENES).log_softmax(1)
    dispersion = torch.randn(N_GENES)
    output = CellOutput(share, share, count_log_share=share, count_log_dispersion=dispersion)
    depth = torch.from_numpy(counts[batch.rows.numpy()].toarray()).sum(1, keepdim=True)
    wanted = negative_binomial_nll(batch.counts, share + depth.log(), dispersion).mean()
    torch.testing.assert_close(NB()(output, batch), wanted)


def test_kl_and_contrast_look_at_the_latent(cells) -> None:
    batch = next(iter(GeneSubsetBatches(cells, np.arange(48), GeneSubsets(), batch_size=12)))
    mean, log_var = torch.randn(2, len(batch), 4)
    output = CellOutput(mean, mean, latent_log_var=log_var)
    torch.testing.assert_close(KL()(output, batch), gaussian_kl(mean, log_var).mean())
    wanted = contrastive_loss(mean, batch.rows, batch.batch_ids, 0.3)
    torch.testing.assert_close(Contrast(1.0, 0.3)(output, batch), wanted)


def test_supcon_looks_at_labeled_cells_of_all_batches(cells) -> None:
    partly = replace(cells, labels=np.where(np.arange(48) % 3 == 0, -1, cells.labels))
    batch = next(iter(GeneSubsetBatches(partly, np.arange(48), GeneSubsets(), batch_size=12)))
    mean = torch.randn(len(batch), 4)
    known = batch.labels >= 0
    assert 0 < known.sum() < len(batch)
    wanted = contrastive_loss(mean[known], batch.labels[known], temperature=0.3)
    torch.testing.assert_close(SupCon(1.0, 0.3)(CellOutput(mean, mean), batch), wanted)
    nobody = replace(batch, labels=torch.full_like(batch.labels, -1))
    assert SupCon()(CellOutput(mean, mean), nobody) == 0


def test_ramp_rises_from_nothing_to_one() -> None:
    class At:
        global_step = 0

    class Reversal:
        scale = 7.0

    class Module:
        pace = Pace(100, TimeBudget())

    ramp, at = Ramp(Reversal(), 0.1, 0.5), At()
    seen = []
    for at.global_step in (0, 10, 30, 50, 99):
        ramp.on_train_batch_start(at, Module(), None, 0)
        seen.append(ramp.reversal.scale)
    assert seen == pytest.approx([0, 0, 0.5, 1, 1])


def test_the_adversary_keeps_a_rate_of_its_own(cells) -> None:
    net = model(cells)
    for rate, n_groups in ((None, 2), (5e-3, 3)):
        config = TrainConfig(lr=1e-2, adversary_lr=rate)
        module = TrainingModule(net, [DAB()], config, Pace(10, TimeBudget()))
        made = module.configure_optimizers()
        groups = made["optimizer"].param_groups
        assert len(groups) == n_groups
        held = [id(p) for group in groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in net.parameters())
        for _ in range(9):
            made["optimizer"].step()
            made["lr_scheduler"]["scheduler"].step()
        rates = [group["lr"] for group in groups]
        assert rates[0] < 1e-3
        assert rates[2:] == ([] if rate is None else [rate])
