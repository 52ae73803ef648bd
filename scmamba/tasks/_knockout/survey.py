"""What knock-outs need to know of all cells before any gene is perturbed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._knockout.decode import MOST_CELLS, Decoder, fit_decoder
from scmamba.tasks._knockout.effects import Part
from scmamba.tasks._knockout.opening import OpenedCells, OpenedModel
from scmamba.tasks._knockout.shifts import Kind, Perturber


class Blocks:
    """Blocks of cells with their perturbers, to go through several times.

    Blocks of cells in memory are made once; those of files are read again.

    Parameters
    ----------
    opened
        A model and cells.
    kind
        What is done to genes.
    inside
        (n_obs,) cells in the goal state, which are not perturbed, or None.
    """

    def __init__(
        self, opened: OpenedModel, kind: Kind, inside: npt.NDArray[np.bool_] | None
    ) -> None:
        n = opened.located.source.n_obs
        self.opened, self.kind, self.n_obs = opened, kind, n
        self.inside = np.zeros(n, bool) if inside is None else inside
        self._kept: list[tuple[slice, OpenedCells, Perturber]] = []

    def __iter__(self) -> Iterator[Part]:
        for rows, _, perturber in self.cells():
            yield Part(np.flatnonzero(~self.inside[rows]), perturber)

    def cells(self) -> Iterator[tuple[slice, OpenedCells, Perturber]]:
        """Give rows, cells and the perturber of each block."""
        if self._kept:
            yield from self._kept
            return
        kept, in_memory = [], self.opened.located.source.in_memory
        for rows, cells in self.opened.blocks():
            one = (rows, cells, Perturber(cells.read, self.kind))
            kept += [one] if in_memory else []
            yield one
        self._kept = kept  # of all blocks: whoever stops before the end starts anew


@dataclass(frozen=True)
class Survey:
    """What all cells tell.

    Attributes
    ----------
    means
        (n_tokens,) mean value of each gene over the cells that are perturbed.
    goal
        (D,) mean embedding of the goal state, or None.
    decoder
        Expression by embedding.
    columns
        Names of genes, once each.
    """

    means: npt.NDArray[np.float64]
    goal: npt.NDArray[np.float32] | None
    decoder: Decoder
    columns: list[str]


def survey(blocks: Blocks, seed: int) -> Survey:
    """Go through all cells once.

    Parameters
    ----------
    blocks
        Cells.
    seed
        Seed of the choice of cells that the decoder learns from.
    """
    n, sample = blocks.n_obs, np.arange(blocks.n_obs)
    if n > MOST_CELLS:
        sample = np.sort(np.random.default_rng(seed).choice(n, MOST_CELLS, replace=False))
    means, goal, columns = np.zeros(0), np.zeros(0), list[str]()
    embeddings, values = [], []
    for rows, cells, perturber in blocks.cells():
        inside, columns = blocks.inside[rows], cells.columns
        total = np.asarray(perturber.values[np.flatnonzero(~inside)].sum(0), np.float64).ravel()
        means = total if not len(means) else means + total
        there = perturber.before[inside].sum(0, dtype=np.float64)
        goal = there if not len(goal) else goal + there
        some = sample[(sample >= rows.start) & (sample < rows.stop)] - rows.start
        embeddings.append(perturber.before[some])
        values.append(cells.values[some])
    decoder = fit_decoder(np.concatenate(embeddings), sparse.vstack(values, format="csr"), seed)
    n_inside = int(blocks.inside.sum())
    return Survey(
        means / max(n - n_inside, 1),
        (goal / n_inside).astype(np.float32) if n_inside else None,
        decoder,
        columns,
    )
