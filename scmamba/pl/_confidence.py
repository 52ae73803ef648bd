"""How sure predictions are."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba._keys import PREFIX, UNKNOWN, Keys
from scmamba.pl._canvas import Canvas
from scmamba.pl._points import column, labels_of
from scmamba.pl._style import BLUE, GRAY, MUTED, ORANGE, palette, quiet, title

if TYPE_CHECKING:
    from anndata import AnnData

_BINS = 40


def confidence(
    adata: AnnData,
    *,
    key_added: str = PREFIX,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw how sure predictions are: cells by the probability of their best guess.

    Parameters
    ----------
    adata
        Annotated cells; not changed.
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
    A histogram with labeled cells in blue and unknown ones stacked on top, by reason.

    Raises
    ------
    ScmambaError
        The cells carry no confidence.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(60, 20, 3)
    >>> adata.obs["scmamba_confidence"] = np.linspace(0.2, 1, 60)
    >>> len(scmamba.pl.confidence(adata).axes)
    1
    """
    keys = Keys(key_added)
    values = column(adata, keys.confidence).to_numpy(dtype=float)
    groups = {"labeled": np.isfinite(values)}
    if keys.cell_type in adata.obs:
        unknown = (labels_of(adata, keys.cell_type) == UNKNOWN).to_numpy()
        groups["labeled"] = groups["labeled"] & ~unknown
        reasons = np.full(len(values), UNKNOWN, object)
        if keys.reason in adata.obs:
            reasons = labels_of(adata, keys.reason).fillna(UNKNOWN).to_numpy()
        groups |= {f"{one}": unknown & (reasons == one) for one in sorted(set(reasons[unknown]))}
    others = (ORANGE, "#8f1d14", "#7a6fb0", *palette(20))
    canvas = Canvas(5.6, 3.6, ax)
    axes = canvas.place(0.75, 0.9, 4.6, 2.0)
    bins = np.linspace(0, 1, _BINS + 1).tolist()
    axes.hist(
        [values[rows & np.isfinite(values)] for rows in groups.values()],
        bins=bins,
        stacked=True,
        color=[BLUE, *others[: len(groups) - 1]],
        label=[f"{name} ({int(rows.sum()):,})" for name, rows in groups.items()],
    )
    axes.set(xlim=(0, 1), xlabel="probability of the best guess", ylabel="cells")
    quiet(axes)
    axes.spines["bottom"].set_color(GRAY)
    if len(groups) > 1:
        axes.legend(
            loc="upper left", bbox_to_anchor=(-0.02, -0.24), ncols=2, frameon=False, fontsize=8,
            labelcolor=MUTED, borderaxespad=0,
        )  # fmt: skip
    title(
        axes,
        "Confidence",
        f"median {np.nanmedian(values):.2f}" if np.isfinite(values).any() else "",
    )
    return canvas.finish(show, save)
