"""Genes that decide about cell types, as dots."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scmamba._arguments import check_choice, check_count
from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import (
    GRAY,
    INK,
    LINE,
    MUTED,
    text_width,
    title,
)

_CELL, _SIDE = 0.24, 1.8  # inches
_LARGEST = 105.0  # area of the dot of a gene that all cells express, in square points
_SIZES = (0.25, 0.5, 1.0)
_EVIDENCE = ("expressed", "absent", None)


class Explained(Protocol):
    """What is drawn of a :class:`scmamba.tasks.Explanation`."""

    @property
    def attributions(self) -> pd.DataFrame:
        """(n_types, n_genes) mean attribution of each gene to each type."""

    @property
    def fractions(self) -> pd.DataFrame:
        """(n_types, n_genes) fraction of the cells of each type that express each gene."""

    def top(self, n: int, *, evidence: str | None) -> Mapping[str, list[str]]:
        """Return the first ``n`` genes of each type."""


def explanation(
    found: Explained,
    *,
    n_genes: int = 5,
    evidence: str | None = "expressed",
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the genes that decide about each cell type, as a dot plot.

    Red genes argue for the type of the row, blue ones against it; larger dots are expressed by
    more of its cells.

    Parameters
    ----------
    found
        What ``annotator.explain`` returns.
    n_genes
        Genes of each type: those that argue most for it.
    evidence
        ``"expressed"``: genes that speak by being there; ``"absent"``: by their absence; None: all.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure, types in rows and their genes in columns in the same order; ``figure.savefig(path)``
    writes it. Full color is the largest attribution that is drawn.

    Raises
    ------
    ScmambaError
        If it is no explanation, or holds no gene of that evidence.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1, width=16)
    >>> annotator = scmamba.tasks.annotate(
    ...     cells[40:], cells[:40], labels_key="cell_type", training=quick
    ... )
    >>> figure = scmamba.pl.explanation(annotator.explain(cells, include_unknown=True), n_genes=2)
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['type_0', 'type_1']
    """
    check_count("n_genes", n_genes, optional=False)
    check_choice("evidence", evidence, _EVIDENCE)
    if not hasattr(found, "attributions"):
        raise ScmambaError(
            f"found is a {type(found).__name__}; give what annotator.explain(adata) returns"
        )
    top = found.top(n_genes, evidence=evidence)
    genes = list(dict.fromkeys(gene for own in top.values() for gene in own))
    if not genes:
        raise ScmambaError(f"no gene has evidence={evidence!r}; give evidence=None for all")
    values, sizes = found.attributions[genes], found.fractions[genes]
    types = values.index.astype(str).tolist()
    left, foot = text_width(types) + 0.3, text_width(genes, 8) + 0.25
    wide, high = _CELL * len(genes), _CELL * len(types)
    top_edge = max(foot + high, _SIDE)
    canvas = Canvas(left + max(wide, 2.2) + 1.45, top_edge + 0.65, ax)
    axes = canvas.place(left, top_edge - high, wide, high)
    y, x = np.indices(values.shape)
    strongest = float(np.abs(values.to_numpy()).max()) or 1.0
    drawn = axes.scatter(
        x.ravel(),
        y.ravel(),
        s=_LARGEST * sizes.to_numpy().ravel(),
        c=values.to_numpy().ravel(),
        cmap="RdBu_r",
        vmin=-strongest,
        vmax=strongest,
        edgecolors=GRAY,
        linewidths=0.4,
    )
    axes.set_xlim(-0.5, len(genes) - 0.5)
    axes.set_ylim(len(types) - 0.5, -0.5)
    axes.set_xticks(range(len(genes)), genes, rotation=90)
    axes.set_yticks(range(len(types)), types)
    axes.tick_params(length=0, labelcolor=INK)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", labelsize=9)
    axes.spines[:].set_color(LINE)
    title(axes, "Genes that decide", f"the first {n_genes} of each type")
    side = left + wide + 0.2
    bar = canvas.place(side, top_edge - 0.95, 0.1, 0.75)
    canvas.figure.colorbar(drawn, cax=bar)
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GRAY)
    bar.set_title("attribution (nats)", loc="left", fontsize=8, color=MUTED, pad=5)
    bar.spines[:].set_visible(False)
    _explain_sizes(canvas, side, top_edge - 1.1)
    return canvas.finish(show, save)


def _explain_sizes(canvas: Canvas, left: float, top: float) -> None:
    """Say what fraction of cells a dot stands for, from a place given in inches."""
    handles = [
        Line2D([], [], ls="", marker="o", ms=np.sqrt(_LARGEST * one), mfc=GRAY, mec=GRAY)
        for one in _SIZES
    ]
    canvas.legend(
        handles,
        [f"{one:.0%} of cells" for one in _SIZES],
        loc="upper left",
        at=(left, top),
        frameon=False,
        fontsize=8,
        labelcolor=MUTED,
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.4,
    )
