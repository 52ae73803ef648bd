"""How sure predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from scmamba._keys import PREFIX, UNKNOWN, Keys
from scmamba.pl._points import column, labels_of
from scmamba.pl._style import BLUE, GRAY, MUTED, ORANGE, canvas, palette, place, quiet, title

if TYPE_CHECKING:
    from anndata import AnnData

_BINS = 40


def confidence(adata: AnnData, *, key_added: str = PREFIX) -> Figure:
    """Draw how sure predictions are: cells by the probability of their best guess.

    Parameters
    ----------
    adata
        Annotated cells; not changed.
    key_added
        Prefix of the results.

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
    figure = canvas(5.6, 3.6)
    axes = place(figure, 0.75, 0.9, 4.6, 2.0)
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
    return figure
