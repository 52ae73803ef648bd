"""What multi-omics methods are given and what was hidden from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._text import label_texts, obs_column
from scmamba.pp import unit_of
from scmamba.stream.modalities import Modalities, Modality

Setting = Literal["embedding", "imputation", "mosaic", "hidden peaks"]
Ints = npt.NDArray[np.int64]

SETTINGS: dict[str, str] = {
    "embedding": "all is measured: cell types by the joint embedding",
    "imputation": "30 % of the cells lack a modality, which is imputed",
    "mosaic": "half of the cells lack one modality, another quarter lacks RNA",
    "hidden peaks": "a fifth of the open peaks of each cell is hidden",
}
"""Settings of the comparison."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of a cell and a peak to score: hidden open ones, and closed ones of like frequency.

    Attributes
    ----------
    cells, opened, closed
        (n_pairs,) row of the cell, hidden open peak, closed peak.
    """

    cells: Ints
    opened: Ints
    closed: Ints


@dataclass(frozen=True)
class MultiomicsSplit:
    """Cells by modality, and what was hidden.

    Attributes
    ----------
    setting
        Name in :data:`SETTINGS`.
    mods
        AnnData by modality, each with the cells in which it is measured.
    cells
        (n_cells,) names of all cells.
    labels
        (n_cells,) cell types, ``""`` where nobody knows; None where there are none. Methods do not
        read them.
    target
        Modality to impute, None where there is none.
    hidden
        (n_hidden,) positions of the cells that lack ``target``.
    truth
        (n_hidden, n_features) log1p of what was measured in them.
    complete
        (n_cells,) True for cells with all modalities.
    pairs
        Peaks to tell apart, in the setting ``"hidden peaks"``.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.benchmark._multiomics.split import make_split
    >>> from scmamba.stream.modalities import read_modalities
    >>> rna, prot = scmamba.datasets.synthetic(40, 30, 2), scmamba.datasets.synthetic(40, 20, 2)
    >>> data = read_modalities({"rna": rna, "prot": prot})
    >>> split = make_split(data, "imputation", seed=0)
    >>> split.mods["prot"].shape, split.truth.shape
    ((28, 20), (12, 20))
    """

    setting: Setting
    mods: Mapping[str, AnnData]
    cells: pd.Index
    labels: npt.NDArray[Any] | None
    target: str | None
    hidden: Ints
    truth: npt.NDArray[np.float32]
    complete: npt.NDArray[np.bool_]
    pairs: Pairs | None = None

    def rows(self, name: str) -> Ints:
        """(n_measured,) positions of the cells of a modality among all."""
        return np.asarray(self.cells.get_indexer(self.mods[name].obs_names), dtype=np.int64)


def make_split(
    data: Modalities,
    setting: Setting,
    *,
    labels_key: str | None = None,
    target: str | None = None,
    seed: int = 0,
) -> MultiomicsSplit:
    """Hide a part of the data from methods, at random; isotype controls are left out.

    Parameters
    ----------
    data
        Cells with all modalities; others are left out.
    setting
        Name in :data:`SETTINGS`.
    labels_key
        Column of ``obs`` with cell types, missing or ``unknown`` where nobody knows.
    target
        Modality to hide; None: ``"prot"`` where there is one, else ``"atac"``.
    seed
        Seed of what is hidden.

    Raises
    ------
    ScmambaError
        If RNA or the modality to hide is missing, or no cell has all modalities.
    """
    paired = data.take(data.measured.all(1))
    target = target or ("prot" if "prot" in data else "atac")
    if "rna" not in data or target not in data or not paired.n_cells:
        raise ScmambaError(
            f"the comparison needs cells with RNA and {target}; the data has "
            f"{', '.join(data)}, together in {paired.n_cells:,} cells"
        )
    labels = None
    if labels_key is not None:
        column = obs_column(paired.obs, labels_key, "labels_key", "obs of the data")
        labels = label_texts(column, unlabeled="unknown")[0]
    n, rng = paired.n_cells, np.random.default_rng(seed)
    lacking: dict[str, Ints] = {}
    order = rng.permutation(n)
    if setting == "imputation":
        lacking[target] = np.sort(order[: int(0.3 * n)])
    elif setting == "mosaic":
        lacking[target] = np.sort(order[: n // 2])
        lacking["rna"] = np.sort(order[n // 2 : n // 2 + n // 4])
    given, pairs = paired, None
    for name, cells in lacking.items():
        mask = np.zeros(n, dtype=bool)
        mask[cells] = True
        given = given.without(name, mask)
    mods = {name: _anndata(given, name) for name in given}
    if setting == "hidden peaks":
        pairs, mods["atac"] = hide_peaks(mods["atac"], rng)
    hidden = lacking.get(target, np.zeros(0, dtype=np.int64))
    return MultiomicsSplit(
        setting,
        mods,
        paired.obs.index,
        labels,
        target if len(hidden) else None,
        hidden,
        _log_values(paired[target], hidden) if len(hidden) else np.zeros((0, 0), np.float32),
        np.asarray(given.measured.all(1)),
        pairs,
    )


def _anndata(data: Modalities, name: str) -> AnnData:
    one = data[name]
    kept = np.flatnonzero(~one.controls)
    obs = pd.DataFrame(index=data.obs.index[one.cells])
    names = (one.features if name == "rna" else one.names)[kept]
    return AnnData(one.X[:, kept], obs=obs, var=pd.DataFrame(index=pd.Index(names, dtype=str)))


def _log_values(one: Modality, rows: Ints) -> npt.NDArray[np.float32]:
    """(n_rows, n_features) log1p of what was measured, isotype controls left out."""
    found: npt.NDArray[np.float32] = logged(one.X[rows][:, ~one.controls]).toarray()
    return found


def logged(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """Log1p of counts; values that are logarithms already stay."""
    return X.log1p() if unit_of(X).is_linear else X


def hide_peaks(adata: AnnData, rng: np.random.Generator) -> tuple[Pairs, AnnData]:
    """Hide a fifth of the open peaks, and draw a closed one for each by frequency."""
    X = sparse.csr_matrix(adata.X)
    row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    gone = rng.random(X.nnz) < 0.2
    frequency = np.cumsum(X.getnnz(axis=0).astype(float))
    taken = np.sort(row * np.int64(X.shape[1]) + X.indices)
    closed = np.full(int(gone.sum()), -1, dtype=np.int64)
    left = np.arange(len(closed))
    for _ in range(100):  # draws that hit open peaks are drawn again
        drawn = np.searchsorted(frequency, rng.random(len(left)) * frequency[-1], side="right")
        key = row[gone][left] * np.int64(X.shape[1]) + drawn
        place = np.searchsorted(taken, key).clip(0, len(taken) - 1)
        free = taken[place] != key
        closed[left[free]] = drawn[free]
        left = left[~free]
    kept = closed >= 0
    opened = X.indices[gone].astype(np.int64)
    pairs = Pairs(row[gone][kept].astype(np.int64), opened[kept], closed[kept])
    visible = sparse.csr_matrix((X.data[~gone], (row[~gone], X.indices[~gone])), shape=X.shape)
    return pairs, AnnData(visible, obs=adata.obs, var=adata.var)
