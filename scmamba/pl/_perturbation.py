"""Effects of perturbations as a heat map, and which perturbation leads to a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.cluster.hierarchy import leaves_list, linkage

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba.pl._style import BLUE, GREY, INK, LINE, MUTED, canvas, place, quiet, text_width, title

_CELL, _RANK = 0.19, 0.27  # inches
_RANKED = ("perturbation", "score", "distance", "measured")


def perturbation_effects(
    table: pd.DataFrame, *, n_genes: int = 50, n_perturbations: int = 50
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
    figure = canvas(left + max(wide, 2.6) + 0.9, foot + high + head)
    axes = place(figure, left, foot, wide, high)
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
        _part(len(names), len(values), "perturbation"),
        _part(len(columns), values.shape[1], "gene"),
    ]
    title(axes, "Effects of perturbations", ", ".join(shown))
    bar = place(figure, left + wide + 0.15, foot, 0.1, high)
    beyond = bool((np.abs(drawn) > strongest).any())
    figure.colorbar(image, cax=bar, extend="both" if beyond else "neither")
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GREY)
    bar.set_ylabel("change", fontsize=8, color=MUTED)
    bar.spines[:].set_visible(False)
    return figure


def perturbation_ranking(ranking: pd.DataFrame, *, n_perturbations: int = 30) -> Figure:
    """Draw which perturbations bring control cells closest to a state, the best at the top.

    Parameters
    ----------
    ranking
        What ``PerturbationModel.reverse`` returns: ``perturbation``, ``score`` (Pearson
        correlation of predicted and wanted change, in [-1, 1]), ``distance`` (root mean squared
        difference) and ``measured``; drawn in its order.
    n_perturbations
        Most rows that are drawn: the first.

    Returns
    -------
    A figure: dots at the scores, filled where the perturbation was measured and open where its
    effect is predicted; the distance stands at the right.

    Raises
    ------
    ScmambaError
        If a column is missing, or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.pl import perturbation_ranking
    >>> ranking = pd.DataFrame({"perturbation": ["STAT1", "STAT1+IRF1"], "score": [0.8, 0.7]})
    >>> ranking["distance"], ranking["measured"] = [0.1, 0.2], [True, False]
    >>> figure = perturbation_ranking(ranking)
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['STAT1', 'STAT1+IRF1']
    """
    check_count("n_perturbations", n_perturbations, optional=False)
    missing = [name for name in _RANKED if name not in getattr(ranking, "columns", ())]
    if missing:
        raise ScmambaError(
            f"the ranking lacks {', '.join(map(repr, missing))}; give the table that "
            "PerturbationModel.reverse returns"
        )
    if ranking.empty:
        raise ScmambaError("the ranking has no rows; rank at least one perturbation")
    shown = ranking.head(n_perturbations)
    names = shown["perturbation"].astype(str).tolist()
    scores = shown["score"].to_numpy(float)
    measured = shown["measured"].to_numpy(bool)
    left, wide, high = text_width(names) + 0.3, 3.4, _RANK * len(names)
    foot = 0.9
    figure = canvas(left + wide + 0.8, foot + high + 0.65)
    axes = place(figure, left, foot, wide, high)
    places = np.arange(len(names))
    axes.axvline(0, color=GREY, linewidth=1, zorder=1)
    axes.hlines(places, 0, scores, color=GREY, linewidth=1.5, zorder=1)
    fill = np.where(measured, BLUE, "white")
    axes.scatter(scores, places, s=48, c=fill.tolist(), edgecolors=BLUE, linewidths=1.4, zorder=2)
    for i, distance in enumerate(shown["distance"]):
        axes.annotate(
            f"{distance:.3g}",
            (1, i),
            (8, 0),
            xycoords=axes.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=MUTED,
        )
    lowest = float(np.nanmin(scores, initial=0.0))
    axes.set_xlim(lowest - 0.08 if lowest < 0 else -0.02, 1.04)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(places, names)
    axes.set_xlabel("correlation of predicted and wanted change; distance at the right")
    quiet(axes)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    _explain(figure, measured, left)
    title(axes, "Perturbations that lead there", _part(len(shown), len(ranking), "perturbation"))
    return figure


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


def _part(n: int, total: int, what: str) -> str:
    of = f"{n:,}" if n == total else f"{n:,} of {total:,}"
    return f"{of} {what}" if total == 1 else f"{of} {what}s"


def _explain(figure: Figure, measured: np.ndarray, left: float) -> None:
    """Name the two kinds of dots, where both occur or only predictions do."""
    kinds = [(True, BLUE, "measured"), (False, "white", "predicted")]
    handles = [
        Line2D([], [], ls="", marker="o", ms=7, mfc=color, mec=BLUE, mew=1.4, label=text)
        for kind, color, text in kinds
        if kind in measured
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(left / figure.get_figwidth(), 0.1 / figure.get_figheight()),
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=MUTED,
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.2,
    )
