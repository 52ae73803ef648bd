"""Which perturbations lead to a state."""

from __future__ import annotations

from os import PathLike

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._perturbation import number_of
from scmamba.pl._side_column import side_column
from scmamba.pl._style import BLUE, GRAY, INK, MUTED, quiet, text_width, title

_RANK = 0.27  # inches
_RANKED = ("perturbation", "score", "distance", "measured")


def perturbation_ranking(
    ranking: pd.DataFrame,
    *,
    n_perturbations: int = 30,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw which perturbations bring control cells closest to a state, the best at the top.

    Parameters
    ----------
    ranking
        What ``PerturbationModel.reverse`` returns: ``perturbation``, ``score`` (Pearson
        correlation of predicted and wanted change, in [-1, 1]), ``distance`` (root mean squared
        difference) and ``measured``; drawn in its order.
    n_perturbations
        Most rows that are drawn: the first.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

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
    canvas = Canvas(left + wide + 0.8, foot + high + 0.65, ax)
    axes = canvas.place(left, foot, wide, high)
    places = np.arange(len(names))
    axes.axvline(0, color=GRAY, linewidth=1, zorder=1)
    axes.hlines(places, 0, scores, color=GRAY, linewidth=1.5, zorder=1)
    fill = np.where(measured, BLUE, "white")
    axes.scatter(scores, places, s=48, c=fill.tolist(), edgecolors=BLUE, linewidths=1.4, zorder=2)
    lowest = float(np.nanmin(scores, initial=0.0))
    axes.set_xlim(lowest - 0.08 if lowest < 0 else -0.02, 1.04)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(places, names)
    axes.set_xlabel("correlation of predicted and wanted change")
    side_column(axes, "distance", (f"{distance:.3g}" for distance in shown["distance"]))
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    _explain(canvas, measured, left)
    title(axes, "Ranked perturbations", number_of(len(shown), len(ranking), "perturbation"))
    return canvas.finish(show, save)


def _explain(canvas: Canvas, measured: np.ndarray, left: float) -> None:
    """Name the two kinds of dots, where both occur or only predictions do."""
    kinds = [(True, BLUE, "measured"), (False, "white", "predicted")]
    handles = [
        Line2D([], [], ls="", marker="o", ms=7, mfc=color, mec=BLUE, mew=1.4, label=text)
        for kind, color, text in kinds
        if kind in measured
    ]
    canvas.legend(
        handles=handles,
        loc="lower left",
        at=(left, 0.1),
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=MUTED,
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.2,
    )
