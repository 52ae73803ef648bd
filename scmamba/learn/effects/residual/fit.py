"""Fit of a residual: what a model misses in effects that were left out of its own fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scmamba._log import logger
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.kriging import relative_variance
from scmamba.learn.effects.predictor import EffectPredictor, Query
from scmamba.learn.effects.residual.features import Reader
from scmamba.learn.effects.residual.network import ResidualNetwork
from scmamba.learn.effects.residual.residual import Residual, Unseen, choose_share
from scmamba.learn.effects.table import EffectTable, Floats
from scmamba.learn.training import PerturbationTraining
from scmamba.train import TimeBudget

_FEWEST_PERTURBATIONS, _FEWEST_CONTEXTS = 5, 3
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Effects that a model did not see when it predicted them.

    Attributes
    ----------
    rows
        (n,) rows of the table.
    unseen
        (n,) what the model had not seen.
    folds
        (n,) fold in which the effect is held out from the network too.
    baseline
        (n, n_genes) the model's predictions.
    """

    rows: Rows
    unseen: npt.NDArray[np.object_]
    folds: Rows
    baseline: Floats


def fit_residual(
    method: EffectPredictor,
    table: EffectTable,
    embeddings: GeneEmbeddings | None,
    training: PerturbationTraining,
    seed: int,
) -> Residual:
    """Train a network on what ``method`` misses, and choose its share on held-out effects.

    Each perturbation, context and pair of both is predicted by a fit without it. The network is
    trained on these residuals but for one fold at a time, and its share is chosen in the folds.

    Parameters
    ----------
    method
        The model without a residual.
    table
        Measured effects.
    embeddings
        Prior knowledge of genes, or None.
    training
        How the network is trained.
    seed
        Seed of folds and networks.
    """
    reader = Reader.of(table, embeddings, training.n_genes)
    examples = left_out(method, table, training.n_folds, seed)
    if examples is None:
        logger.info("no residual is fitted: too few perturbations and contexts to hold out")
        return Residual(None, reader, {})
    training = training.for_n(len(examples.rows))
    budget = TimeBudget(training.max_minutes)
    trust = _trust(table)[examples.rows]
    target = (table.effects[examples.rows] - examples.baseline)[:, reader.columns] / reader.scale
    correction = np.zeros_like(target)
    n = training.n_folds
    for fold in range(n):
        part, text = budget.part(1 / (n + 1 - fold)), f"network {fold + 1} of {n + 1}"
        held = examples.folds == fold
        network = _trained(reader, table, examples, ~held, training, seed, part, text)
        correction[held] = _corrections(network, reader, table, examples, held)
    shares = {
        str(kind): choose_share(target[mine], correction[mine], trust[mine])
        for kind in dict.fromkeys(examples.unseen)
        for mine in [examples.unseen == kind]
    }
    logger.info("share of the neural residual by what is unseen: %s", shares)
    final = None
    if any(shares.values()):
        part, text = budget.part(1.0), f"network {n + 1} of {n + 1}"
        every = np.ones(len(target), bool)
        final = _trained(reader, table, examples, every, training, seed, part, text)
    return Residual(final, reader, shares, budget.about)


def left_out(
    method: EffectPredictor, table: EffectTable, n_folds: int, seed: int
) -> Examples | None:
    """Predict each effect by a fit that did not see its perturbation, its context or the pair."""
    found: list[Examples] = []
    apart: Rows | None = None  # the network never sees a held-out unit, whatever else is unseen
    for unseen, fold_of in _folds(table, n_folds, seed):
        apart = fold_of % n_folds if apart is None else apart
        baseline = np.zeros(table.effects.shape)
        for fold in np.unique(fold_of):
            rows = np.flatnonzero(fold_of == fold)
            fitted = method.fit(table.where(np.flatnonzero(fold_of != fold)))
            baseline[rows] = fitted.predict(Query.rows_of(table.where(rows)))
        kinds = np.full(len(table), unseen, object)
        found.append(Examples(np.arange(len(table)), kinds, apart, baseline))
    if not found:
        return None
    return Examples(
        np.concatenate([one.rows for one in found]),
        np.concatenate([one.unseen for one in found]),
        np.concatenate([one.folds for one in found]),
        np.concatenate([one.baseline for one in found]),
    )


def _folds(table: EffectTable, n_folds: int, seed: int) -> Iterator[tuple[Unseen, Rows]]:
    """Fold of each row, by what a fold leaves out."""
    perturbations = pd.factorize(pd.Series(list(table.perturbations), dtype=object))[0]
    contexts = pd.factorize(pd.Series(table.contexts, dtype=object))[0]
    random = np.random.default_rng(seed)
    many = perturbations.max() + 1 >= _FEWEST_PERTURBATIONS
    if many:
        yield "perturbation", (random.permutation(perturbations.max() + 1) % n_folds)[perturbations]
    if contexts.max() + 1 >= _FEWEST_CONTEXTS and table.controls is not None:
        yield "context", contexts
    if many and contexts.max() > 0:
        yield "pair", random.permutation(len(table)) % n_folds


def _trust(table: EffectTable) -> Floats:
    spread = relative_variance(table.errors, len(table))
    weight = 1 / (spread + spread.mean())
    return np.asarray(weight / weight.mean())


def _trained(
    reader: Reader,
    table: EffectTable,
    examples: Examples,
    chosen: npt.NDArray[np.bool_],
    training: PerturbationTraining,
    seed: int,
    budget: TimeBudget,
    text: str,
) -> ResidualNetwork:
    """Train on chosen examples; ``text`` names the network where the time is over earlier."""
    rows = examples.rows[chosen]
    tables = [] if reader.embeddings is None else list(reader.embeddings.tables.values())
    inputs = _inputs(reader, table, examples, chosen)
    left = (table.effects[rows] - examples.baseline[chosen])[:, reader.columns] / reader.scale
    target = torch.from_numpy(left.astype(np.float32))
    trust = torch.from_numpy(_trust(table)[rows].astype(np.float32))
    assert training.epochs and training.learning_rate and training.batch_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        genes = reader.genes(table.effects[np.unique(rows)], tables)
        network = ResidualNetwork(
            genes,
            reader.d_perturbation,
            width=-(-training.width // 8) * 8,
            n_layer=training.n_layer or 0,
            d_state=training.d_state,
        )
        n = len(rows)
        steps = training.epochs * -(-n // training.batch_size)
        optimizer = torch.optim.AdamW(
            network.parameters(), training.learning_rate, weight_decay=0.05
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, training.learning_rate, total_steps=steps + 1
        )
        orders = (torch.randperm(n) for _ in range(training.epochs))
        batches = (batch for order in orders for batch in order.split(training.batch_size))
        for step, batch in enumerate(batches):
            if budget.seconds_left == 0:
                budget.cut("epochs", training.epochs * step / steps, training.epochs, text)
                break
            error = (network(*(x[batch] for x in inputs)) - target[batch]).square().mean(1)
            loss = (trust[batch] * error).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network.eval()


def _inputs(
    reader: Reader, table: EffectTable, examples: Examples, chosen: npt.NDArray[np.bool_]
) -> tuple[torch.Tensor, ...]:
    part = table.where(examples.rows[chosen])
    controls = part.control_of(part.contexts)
    return reader.read(part.perturbations, controls, examples.baseline[chosen])


def _corrections(
    network: ResidualNetwork,
    reader: Reader,
    table: EffectTable,
    examples: Examples,
    chosen: npt.NDArray[np.bool_],
) -> Floats:
    """(n, L) corrections of chosen examples, in the reader's unit."""
    inputs = _inputs(reader, table, examples, chosen)
    with torch.inference_mode():
        parts = [network(*(x[i : i + 64] for x in inputs)) for i in range(0, int(chosen.sum()), 64)]
    if not parts:
        return np.zeros((0, len(reader.columns)))
    return np.asarray(torch.cat(parts).double().numpy())
