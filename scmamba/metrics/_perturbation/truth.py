"""Measured perturbation responses, computed once, and scores of predictions of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.metrics._perturbation.cells import CellGroups, Key
from scmamba.metrics._perturbation.distances import energy_distance, mmd
from scmamba.metrics._perturbation.expression import (
    DifferentialExpression,
    differential_expression,
    gene_scores,
)
from scmamba.metrics._perturbation.profiles import centroid_scores, change_scores, discrimination

Floats = npt.NDArray[np.float64]
Prediction = CellGroups | Floats
"""Predicted cells, or (n_perturbations, n_vars) predicted mean profiles."""


@dataclass(frozen=True)
class Truth:
    """Measured perturbation responses and settings of their scores.

    Attributes
    ----------
    cells
        Measured cells.
    control
        Name of the controls among the perturbations.
    keys
        Contexts and perturbations to score.
    targets
        Names of the target genes of each perturbation.
    n_top
        Number of genes for the scores named ``_top``.
    max_cells
        Largest number of cells per group for distances.
    seed
        Seed of the random cells.
    """

    cells: CellGroups
    control: str
    keys: list[Key]
    targets: Mapping[str, list[str]]
    n_top: int
    max_cells: int
    seed: int

    @cached_property
    def profiles(self) -> Floats:
        """(n, n_vars) mean of the measured cells of each perturbation."""
        return self.cells.means(self.keys)

    @cached_property
    def controls(self) -> Floats:
        """(n, n_vars) mean of the measured controls in the context of each perturbation."""
        return self.cells.means([(context, self.control) for context, _ in self.keys])

    @cached_property
    def genes(self) -> list[DifferentialExpression]:
        """Measured differential expression of each perturbation."""
        return [self._against_controls(key, self.cells.of(key)) for key in self.keys]

    @cached_property
    def strengths(self) -> Floats:
        """(n,) energy distance of the measured cells of each perturbation to controls."""
        return np.array([self._to_controls(key, self.sample(self.cells, key)) for key in self.keys])

    def score(self, given: Prediction) -> tuple[pd.DataFrame, dict[str, float]]:
        """Scores of each perturbation, and scores over all perturbations together."""
        from scipy.stats import pearsonr, spearmanr

        profiles = given.means(self.keys) if isinstance(given, CellGroups) else given
        change, guess = self.profiles - self.controls, profiles - self.controls
        scores = change_scores(self.profiles, profiles, self.controls, self.n_top)
        ranks = [
            pd.DataFrame(
                {
                    **discrimination(change[rows], guess[rows], [self._columns[i] for i in rows]),
                    **centroid_scores(self.profiles[rows], profiles[rows]),
                },
                index=rows,
            )
            for rows in self._rivals
        ]
        ranked = pd.concat(ranks).sort_index().set_axis(self._index)
        table = pd.concat([pd.DataFrame(scores, self._index), ranked], axis=1)
        if not isinstance(given, CellGroups):
            return table, {}
        found = [self._against_controls(key, given.of(key)) for key in self.keys]
        genes = [gene_scores(real, guess) for real, guess in zip(self.genes, found, strict=True)]
        drawn = [(self.sample(self.cells, key), self.sample(given, key)) for key in self.keys]
        clouds = {
            "energy_distance": [energy_distance(real, guess) for real, guess in drawn],
            "mmd": [mmd(real, guess) for real, guess in drawn],
        }
        strengths = [
            self._to_controls(key, guess) for key, (_, guess) in zip(self.keys, drawn, strict=True)
        ]
        counts = [[int(de.significant.sum()) for de in side] for side in (self.genes, found)]
        overall = {"pearson_edistance": float("nan"), "de_spearman_sig": float("nan")}
        if len(self.keys) > 2:
            overall["pearson_edistance"] = float(pearsonr(self.strengths, strengths).statistic)
            if all(np.ptp(side) for side in counts):
                overall["de_spearman_sig"] = float(spearmanr(*counts).statistic)
        extra = pd.DataFrame(genes, self._index).assign(**clouds)
        return pd.concat([table, extra], axis=1), overall

    def split(self) -> tuple[Truth, CellGroups]:
        """Split measured cells into halves: one as the truth, one as its prediction.

        Controls are not split, as predictions are compared with all of them. Perturbations with a
        single cell are excluded.
        """
        first, second = self.cells.halves(self.keys, self.seed)
        controls = {key: rows for key, rows in self.cells.rows.items() if key[1] == self.control}
        kept = [key for key in self.keys if key in first.rows]
        half = replace(second, rows=second.rows | controls)
        return replace(self, cells=half, keys=kept), first

    def sample(self, groups: CellGroups, key: Key) -> npt.NDArray[np.floating]:
        """(n, n_vars) random cells of one group, at most ``max_cells``."""
        rows = groups.rows[key]
        if len(rows) > self.max_cells:
            rows = np.random.default_rng(self.seed).choice(rows, self.max_cells, replace=False)
        return replace(groups, rows={key: np.sort(rows)}).of(key)

    @cached_property
    def _index(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_tuples(self.keys, names=["context", "perturbation"])

    @cached_property
    def _rivals(self) -> list[npt.NDArray[np.int64]]:
        """Groups of perturbations ranked together: by context, or all if each context has one."""
        contexts = pd.Series([context for context, _ in self.keys])
        if not contexts.duplicated().any():
            return [np.arange(len(self.keys))]
        return [np.asarray(rows) for rows in contexts.groupby(contexts).indices.values()]

    @cached_property
    def _columns(self) -> list[npt.NDArray[np.int64]]:
        """Columns of the target genes of each perturbation."""
        names = [self.targets.get(p, p.split("+")) for _, p in self.keys]
        found = [self.cells.genes.get_indexer(pd.Index(genes)) for genes in names]
        return [columns[columns >= 0] for columns in found]

    def _against_controls(
        self, key: Key, cells: npt.NDArray[np.floating]
    ) -> DifferentialExpression:
        return differential_expression(cells, self.cells.of((key[0], self.control)))

    def _to_controls(self, key: Key, cells: npt.NDArray[np.floating]) -> float:
        return energy_distance(cells, self.sample(self.cells, (key[0], self.control)))
