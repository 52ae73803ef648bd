"""The joint embedding of several modalities beside that of each."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX, Keys
from scmamba.pl._canvas import Canvas
from scmamba.pl._coordinates import umap
from scmamba.pl._points import behind_first, colors_of, labels_of, legend, legend_columns, scatter
from scmamba.pl._style import BLUE, GRAY, title

_PANEL, _GAP, _MARGIN, _HEAD, _ROW = 3.0, 0.25, 0.25, 0.6, 0.21
_TITLES = {"rna": "RNA alone", "prot": "Proteins alone", "atac": "Chromatin alone"}


def multiomics_umap(
    data: Any,
    color: str | None = None,
    *,
    key_added: str = PREFIX,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw UMAPs of the joint embedding and of each modality alone, side by side.

    Parameters
    ----------
    data
        MuData or AnnData that :func:`scmamba.tasks.multiomics` wrote to; not changed.
    color
        ``obs`` column with labels; None: one color.
    key_added
        Prefix of the results.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

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
    canvas = Canvas(2 * _MARGIN + across, _HEAD + _PANEL + foot)
    for i, (text, key) in enumerate(shown.items()):
        axes = canvas.place(_MARGIN + i * (_PANEL + _GAP), foot, _PANEL, _PANEL)
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
        legend(canvas, colors, columns, left=_MARGIN, top=foot - 0.1)
    return canvas.finish(show, save)
