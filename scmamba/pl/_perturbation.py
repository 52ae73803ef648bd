"""Effects of perturbations as a heat map."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import GRAY, INK, LINE, MUTED, text_width, title

_CELL = 0.19  # inches


def perturbation_effects(
    table: pd.DataFrame,
    *,
    n_genes: int = 50,
    n_perturbations: int = 50,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw effects of perturbations on the genes whose effects vary most, as a heat map.

    Rows and columns are ordered by average linkage of Euclidean distances, so that perturbations
    with similar effects, and genes that change together, are neighbors. Red is up, blue is down,
    white is no change.

    Parameters
    ----------
    table
        (n_perturbations, n_genes) changes of expression, such as
        ``PerturbationModel.predict_mean`` or ``PerturbationModel.effects`` give; not changed.
    n_genes
        Most genes that are drawn: those with the largest variance over all perturbations of the
        table; of a single perturbation, those with the largest change.
    n_perturbations
        Most perturbations that are drawn: those with the largest root mean square effect.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with the heat map and its color bar; ``figure.savefig(path)`` writes it. Full color is
    the 99th percentile of the drawn absolute changes.

    Raises
    ------
    ScmambaError
        If the table is empty, is not a table of numbers, or holds NaN or infinite values.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.pl import perturbation_effects
    >>> rows = {"STAT1": [2.0, 1.5, 0.0], "GATA1": [0.0, 0.1, -1.0], "STAT2": [1.8, 1.6, 0.1]}
    >>> table = pd.DataFrame.from_dict(rows, orient="index", columns=["ISG15", "IFI6", "HBG1"])
    >>> figure = perturbation_effects(table)
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['GATA1', 'STAT2', 'STAT1']
    """
    check_count("n_genes", n_genes, optional=False)
    check_count("n_perturbations", n_perturbations, optional=False)
    values = _numbers(table)
    spread = values.var(axis=0) if len(values) > 1 else np.abs(values[0])
    genes = np.sort(np.argsort(-spread, kind="stable")[:n_genes])
    size = np.square(values).mean(axis=1)
    rows = np.sort(np.argsort(-size, kind="stable")[:n_perturbations])
    drawn = values[np.ix_(rows, genes)]
    order, across = _clustered(drawn), _clustered(drawn.T)
    drawn = drawn[np.ix_(order, across)]
    names = _row_names(table.index)[rows[order]].tolist()
    columns = table.columns[genes[across]].astype(str).tolist()

    left, foot, head = text_width(names) + 0.3, text_width(columns, 8) + 0.25, 0.65
    wide, high = _CELL * len(columns), max(_CELL * len(names), 0.6)
    canvas = Canvas(left + max(wide, 2.6) + 0.9, foot + high + head, ax)
    axes = canvas.place(left, foot, wide, high)
    strongest = max(float(np.quantile(np.abs(drawn), 0.99)), np.finfo(float).tiny)
    image = axes.imshow(
        drawn,
        cmap="RdBu_r",
        vmin=-strongest,
        vmax=strongest,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0, labelcolor=INK)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", labelsize=9)
    axes.spines[:].set_color(LINE)
    shown = [
        number_of(len(names), len(values), "perturbation"),
        number_of(len(columns), values.shape[1], "gene"),
    ]
    title(axes, "Effects of perturbations", ", ".join(shown))
    bar = canvas.place(left + wide + 0.15, foot, 0.1, high)
    beyond = bool((np.abs(drawn) > strongest).any())
    canvas.figure.colorbar(image, cax=bar, extend="both" if beyond else "neither")
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GRAY)
    bar.set_ylabel("change", fontsize=8, color=MUTED)
    bar.spines[:].set_visible(False)
    return canvas.finish(show, save)


def _numbers(table: Any) -> np.ndarray:
    if not isinstance(table, pd.DataFrame):
        raise ScmambaError(
            f"table is a {type(table).__name__}; give a pandas DataFrame, perturbations by genes"
        )
    if table.size == 0:
        raise ScmambaError(
            f"table has shape {table.shape}; give at least one perturbation and one gene"
        )
    odd = [str(name) for name, kind in table.dtypes.items() if kind.kind not in "fiu"]
    if odd:
        raise ScmambaError(
            f"column {odd[0]!r} of the table holds no numbers; give one column per gene, and the "
            "names of the perturbations as the index"
        )
    values = table.to_numpy(np.float64)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ScmambaError(
            f"{bad:,} of the {values.size:,} effects are NaN or infinite; leave out such rows or "
            "columns, or fill them with 0"
        )
    return values


def _clustered(values: np.ndarray) -> np.ndarray:
    """Order of the rows, neighbors alike."""
    if len(values) < 3:
        return np.arange(len(values))
    return leaves_list(linkage(values, "average", optimal_ordering=True))


def _row_names(index: pd.Index) -> np.ndarray:
    """One text per row; of several levels, those that tell rows apart."""
    if index.nlevels == 1:
        return np.array([str(name) for name in index], object)
    levels = [index.get_level_values(i) for i in range(index.nlevels)]
    levels = [level for level in levels if level.nunique() > 1] or levels
    parts = zip(*levels, strict=True)
    return np.array([", ".join(str(one) for one in part if str(one)) for part in parts], object)


def number_of(n: int, total: int, what: str) -> str:
    """Say how many of all are drawn."""
    of = f"{n:,}" if n == total else f"{n:,} of {total:,}"
    return f"{of} {what}" if total == 1 else f"{of} {what}s"
