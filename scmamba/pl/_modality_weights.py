"""How much each modality says about the cells."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX
from scmamba.pl._canvas import Canvas
from scmamba.pl._points import labels_of
from scmamba.pl._style import MUTED, quiet, title

_SHADES = {"rna": "#2b6cb0", "prot": "#d9772b", "atac": "#3b8f6b"}
_WIDTH, _COUNTS, _BARS = 5.9, 0.6, (2.2, 3.4)
"""Inches of the figure where names leave room for it (a phone shows it whole), of the numbers of
cells at the right, and of the bars, at least and at most."""


def modality_weights(
    data: Any,
    groupby: str | None = None,
    *,
    key_added: str = PREFIX,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw what each modality says about the cells: its mean weight by group.

    Parameters
    ----------
    data
        MuData or AnnData that :func:`scmamba.tasks.multiomics` wrote to; not changed.
    groupby
        ``obs`` column with groups; None: all cells together.
    key_added
        Prefix of the results.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

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
    names = [name for name in _SHADES if f"{start}{name}" in data.obs]
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
    bars = float(np.clip(_WIDTH - _COUNTS - wide, *_BARS))
    canvas = Canvas(wide + bars + _COUNTS, 1.5 + 0.32 * len(means), ax)
    axes = canvas.place(wide, 0.75, bars, 0.32 * len(means))
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
    return canvas.finish(show, save)
