"""New cells of several batches brought into a fitted integration, or embedded as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.reference import Near, Reference
from scmamba.learn.soft_clusters import SoftClusters
from scmamba.models import CellModel
from scmamba.nn.heads import CountHead, LatentHead
from scmamba.nn.norm import DomainBatchNorm
from scmamba.stream.data import CellData
from scmamba.tasks._forward import forward
from scmamba.tasks._integration.mapping import Trial, place, tried_rows


@dataclass(frozen=True)
class Mapped:
    """New cells in a fitted integration.

    Attributes
    ----------
    embedding
        (n_cells, d) float32.
    near
        Distance to the reference and transferred labels.
    normed_as
        For each batch: the fitted batch by whose statistics it was normed, ``"itself"``, or ``"all
        batches"`` where these were normed together.
    """

    embedding: npt.NDArray[np.float32]
    near: Near
    normed_as: dict[str, str]


def place_all(
    model: CellModel,
    batches: Sequence[str],
    reference: Reference,
    correction: SoftClusters | None,
    states: npt.NDArray[np.float32],
    names: npt.NDArray[np.object_],
    counts_of: Callable[[npt.NDArray[np.int64]], sparse.csr_matrix | None],
) -> Mapped:
    """Bring all cells in whose states are there.

    Parameters
    ----------
    model, batches, reference, correction
        Of the integrator.
    states
        (n, d) cells before the statistics of their batch, followed by their principal components if
        the integrator has them; of a zero-shot model, embedded.
    names
        (n,) batches.
    counts_of
        Gives the counts of some rows, ascending; called once, for cells of new batches.
    """
    if model.head(LatentHead) is None:
        return Mapped(states, reference.near(states), {})
    rows = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    new = rows.keys() - set(batches) if isinstance(model.cell_norm, DomainBatchNorm) else set()
    tried = {name: tried_rows(own) for name, own in rows.items() if name in new}
    wanted = np.sort(np.concatenate([np.zeros(0, np.int64), *tried.values()]))
    counts = counts_of(wanted) if len(wanted) and model.head(CountHead) is not None else None
    states, linear = np.split(states, [model.config.encoder.d_model], axis=1)
    embedding = np.empty((len(states), model.config.d_cell + linear.shape[1]), np.float32)
    normed_as = {}
    for name, own in rows.items():
        before, trial = torch.from_numpy(np.array(states[own])), None
        if name in tried and counts is not None:
            at = np.searchsorted(own, tried[name])
            trial = Trial(before[at], counts[np.searchsorted(wanted, tried[name])])
        known = batches.index(name) if name in batches else None
        placed = place(model, before, trial, known)
        embedding[own] = joined = np.hstack([placed.embedding, linear[own]])
        if correction is not None and known is None:
            embedding[own] = correction.correct_new(joined)
        elif correction is not None:
            embedding[own] = correction.correct(joined, np.full(len(own), known))
        normed_as[name or "all cells"] = _name(placed.normed_as, batches)
    if tried:
        logger.info(
            "new batches are normalized: %s",
            ", ".join(_normalized(name or "all cells", normed_as) for name in tried),
        )
    return Mapped(embedding, reference.near(embedding), normed_as)


def _normalized(name: str, normed_as: Mapping[str, str]) -> str:
    """Say by whose statistics a new batch is normalized."""
    other = normed_as[name]
    return f"{name} by its own statistics" if other == "itself" else f"{name} by those of {other}"


def _name(normed_as: int | None, batches: Sequence[str]) -> str:
    if normed_as is None:
        return "all batches"
    return "itself" if normed_as < 0 else batches[normed_as]


def among_domains(
    model: CellModel, batches: Sequence[str], data: CellData, names: npt.NDArray[np.object_]
) -> CellData:
    """With the batch of each cell, where a zero-shot model norms each batch by itself."""
    if not model.config.n_input_norms:
        return data
    if new := sorted(set(names.tolist()) - set(batches)):
        raise ScmambaError(
            f"this model norms each batch by itself, and it has none for {new[0]!r}; allowed: "
            f"{', '.join(map(repr, batches))}. Integrate all batches together, or with a "
            "model without a domain norm"
        )
    ids = np.array([batches.index(name) for name in names], np.int64)
    return replace(data, batch_ids=ids)


def zero_shot(model: CellModel, data: CellData) -> npt.NDArray[np.float32]:
    """(n_cells, d_cell) embeddings of a pretrained model, of length 1 as published."""
    embedding = forward(model, data).embedding
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    return embedding / np.maximum(length, np.finfo(np.float32).tiny)
