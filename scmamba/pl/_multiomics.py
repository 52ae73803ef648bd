"""Joint and single embeddings side by side, weights of modalities, imputed against measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX, Keys
from scmamba.pl._coordinates import umap
from scmamba.pl._points import behind_first, colors_of, labels_of, legend, legend_columns, scatter
from scmamba.pl._style import BLUE, GRAY, MUTED, canvas, place, quiet, title

_PANEL, _GAP, _MARGIN, _HEAD, _ROW = 3.0, 0.25, 0.25, 0.6, 0.21
_TITLES = {"rna": "RNA alone", "prot": "Proteins alone", "atac": "Chromatin alone"}
_SHADES = {"rna": "#2b6cb0", "prot": "#d9772b", "atac": "#3b8f6b"}


def multiomics_umap(data: Any, color: str | None = None, *, key_added: str = PREFIX) -> Figure:
    """Draw UMAPs of the joint embedding and of each modality alone, side by side.

    Parameters
    ----------
    data
        MuData or AnnData that :func:`scmamba.tasks.multiomics` wrote to; not changed.
    color
        ``obs`` column with labels; None: one color.
    key_added
        Prefix of the results.

    Returns
    -------
    A figure with one panel per embedding; cells in which a modality was not measured are left out
    of its panel.

    Raises
    ------
    ScmambaError
        If there is no joint embedding, or no such column.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(40, 20, 2)
    >>> rng = np.random.default_rng(0)
    >>> adata.obsm["X_scmamba"] = rng.normal(size=(40, 5))
    >>> adata.obsm["X_scmamba_rna"] = rng.normal(size=(40, 5))
    >>> figure = scmamba.pl.multiomics_umap(adata, "cell_type")  # doctest: +SKIP
    >>> len(figure.axes)  # doctest: +SKIP
    2
    """
    joint = Keys(key_added).embedding
    if joint not in data.obsm:
        raise ScmambaError(
            f"{joint!r} is not in obsm, which has {sorted(data.obsm)}; run "
            "scmamba.tasks.multiomics first, or give its key_added="
        )
    shown = {"Joint": joint}
    shown |= {text: f"{joint}_{name}" for name, text in _TITLES.items()}
    shown = {text: key for text, key in shown.items() if key in data.obsm}
    labels = None if color is None else labels_of(data, color)
    colors = {} if labels is None or color is None else colors_of(data, {color: labels})
    across = len(shown) * (_PANEL + _GAP) - _GAP
    columns = legend_columns(colors, across) if colors else 1
    foot = (-(-len(colors) // columns) * _ROW if colors else 0) + 0.3
    figure = canvas(2 * _MARGIN + across, _HEAD + _PANEL + foot)
    for i, (text, key) in enumerate(shown.items()):
        axes = place(figure, _MARGIN + i * (_PANEL + _GAP), foot, _PANEL, _PANEL)
        values = np.asarray(data.obsm[key], dtype=np.float32)
        rows = np.flatnonzero(np.isfinite(values).all(1))
        points = umap(values[rows])
        shade: Any = np.full(len(rows), BLUE)
        order = np.arange(len(rows))
        if labels is not None:
            own = labels.iloc[rows]
            order = behind_first(own, colors)
            shade = own.map(colors).fillna(GRAY).to_numpy()
        scatter(axes, points[order], c=shade[order])
        title(axes, text, f"{len(rows):,} cells")
    if colors:
        legend(figure, colors, columns, left=_MARGIN, top=foot - 0.1)
    return figure


def modality_weights(data: Any, groupby: str | None = None, *, key_added: str = PREFIX) -> Figure:
    """Draw what each modality says about the cells: its mean weight by group.

    Parameters
    ----------
    data
        MuData or AnnData that :func:`scmamba.tasks.multiomics` wrote to; not changed.
    groupby
        ``obs`` column with groups; None: all cells together.
    key_added
        Prefix of the results.

    Returns
    -------
    A figure with one stacked bar per group, of mean weights, which sum to 1.

    Raises
    ------
    ScmambaError
        If there are no weights, or no such column.

    Examples
    --------
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(40, 20, 2)
    >>> adata.obs["scmamba_weight_rna"] = 0.6
    >>> adata.obs["scmamba_weight_prot"] = 0.4
    >>> figure = scmamba.pl.modality_weights(adata, "cell_type")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['type_1', 'type_0']
    """
    start = f"{key_added}_weight_"
    names = [name for name in _TITLES if f"{start}{name}" in data.obs]
    if not names:
        raise ScmambaError(
            f"there is no column {start + 'rna'!r} or the like in obs; run "
            "scmamba.tasks.multiomics first, or give its key_added="
        )
    groups = pd.Series("all cells", data.obs.index) if groupby is None else labels_of(data, groupby)
    table = data.obs[[f"{start}{name}" for name in names]].astype(float)
    means = table.groupby(groups.to_numpy(), observed=True).mean()
    counts = groups.value_counts()
    means = means.loc[sorted(means.index, reverse=True)]
    wide = 0.4 + 0.085 * max(map(len, map(str, means.index)))
    figure = canvas(wide + 4.6, 1.5 + 0.32 * len(means))
    axes = place(figure, wide, 0.75, 3.4, 0.32 * len(means))
    left = np.zeros(len(means))
    for name in names:
        values = means[f"{start}{name}"].to_numpy()
        axes.barh(range(len(means)), values, 0.72, left=left, color=_SHADES[name], label=name)
        left += values
    for i, group in enumerate(means.index):
        text = f"{counts[group]:,}"
        axes.text(1.02, i, text, va="center", fontsize=8, color=MUTED)
    axes.set(yticks=range(len(means)), yticklabels=list(means.index), xlim=(0, 1))
    axes.set(xlabel="mean weight; number of cells at the right")
    quiet(axes)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0, -0.55 / (0.32 * len(means))),
        ncols=3,
        frameon=False,
        fontsize=9,
        borderaxespad=0,
        labelcolor=MUTED,
    ).set_in_layout(True)
    title(axes, "What each modality says", "" if groupby is None else groupby)
    return figure


def imputed(
    measured: Any, imputed: Any, names: npt.ArrayLike | None = None, *, most: int = 12
) -> Figure:
    """Draw imputed against measured values, one panel per feature, with the correlation.

    Parameters
    ----------
    measured, imputed
        (n_cells, n_features) values in the same unit, log1p of counts is usual; tables, arrays or
        sparse. Of two tables, rows and columns are matched by name. NaN is left out.
    names
        (n_features,) titles; None: the columns of a table.
    most
        Most panels: the first features.

    Returns
    -------
    A figure; the gray line is the identity.

    Raises
    ------
    ScmambaError
        If shapes differ, or of two tables the cells or features.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> measured = np.random.default_rng(0).poisson(3, (30, 2))
    >>> figure = scmamba.pl.imputed(measured, measured * 0.9, ["CD3", "CD4"])
    >>> len(figure.axes)
    2
    """
    if isinstance(measured, pd.DataFrame) and isinstance(imputed, pd.DataFrame):
        imputed = _in_order_of(measured, imputed)
    if names is None:
        names = getattr(measured, "columns", getattr(imputed, "columns", None))
    truth, found = _dense(measured), _dense(imputed)
    if truth.shape != found.shape or truth.ndim != 2:
        raise ScmambaError(
            f"measured has shape {truth.shape} and imputed {found.shape}; give cells by features "
            "of the same shape"
        )
    n = min(truth.shape[1], most)
    titles = [str(i) for i in range(n)] if names is None else [str(x) for x in np.asarray(names)]
    columns, size, gap = min(n, 5), 1.75, 0.45
    rows = -(-n // columns)
    figure = canvas(0.65 + columns * (size + gap), 0.55 + rows * (size + 0.8))
    for i in range(n):
        bottom = 0.55 + (rows - 1 - i // columns) * (size + 0.8)
        axes = place(figure, 0.65 + (i % columns) * (size + gap), bottom, size, size)
        known = np.isfinite(truth[:, i]) & np.isfinite(found[:, i])
        x, y = truth[known, i], found[known, i]
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))] if len(x) else [0, 1]
        axes.plot(ends, ends, color=GRAY, linewidth=1)
        dot = float(np.clip(4_000 / max(len(x), 1), 1, 12))
        axes.scatter(x, y, s=dot, color=BLUE, alpha=0.4, linewidths=0, rasterized=True)
        varies = len(x) > 1 and x.std() > 0 and y.std() > 0
        quiet(axes)
        title(axes, titles[i], f"Pearson {np.corrcoef(x, y)[0, 1]:.2f}" if varies else "")
        if i // columns == rows - 1 or i + columns >= n:
            axes.set_xlabel("measured")
        if i % columns == 0:
            axes.set_ylabel("imputed")
    return figure


def _in_order_of(measured: pd.DataFrame, imputed: pd.DataFrame) -> pd.DataFrame:
    """Return the imputed values of the same cells and features, in the same order."""
    for axis, what in enumerate(("cells", "features")):
        ours, theirs = measured.axes[axis], imputed.axes[axis]
        if not (ours.is_unique and theirs.is_unique and set(ours) == set(theirs)):
            lacking = [str(name) for name in ours.symmetric_difference(theirs)[:3]]
            raise ScmambaError(
                f"measured and imputed are tables of different {what} "
                f"({', '.join(lacking) or 'a name repeats'}); give tables of the same, such as "
                "imputed[measured.columns]"
            )
    return imputed.loc[measured.index, measured.columns]


def _dense(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values.toarray() if sparse.issparse(values) else values, dtype=np.float64)
