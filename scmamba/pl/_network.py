"""A gene network as arrows between genes."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._network_layout import layout
from scmamba.pl._style import BLUE, GRAY, INK, LINE, MUTED, ORANGE, title

_SIZE = 7.0  # inches
_COLUMNS = {"regulator", "target", "weight"}


def gene_network(
    edges: pd.DataFrame,
    *,
    regulators: Sequence[str] | None = None,
    n_regulators: int = 30,
    n_edges: int = 60,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the strongest edges of a gene network.

    Regulators are filled, targets are open; blue arrows activate, orange ones repress, gray ones
    have no sign; wider is stronger.

    Parameters
    ----------
    edges
        ``edges`` of a :class:`scmamba.tasks.GeneNetwork`: ``regulator``, ``target``, ``weight``
        and, where the method has one, ``sign``.
    regulators
        Regulators to draw; None: the ``n_regulators`` with the strongest edges.
    n_regulators
        Regulators that are drawn where none are named: more would hide one another.
    n_edges
        Edges that are drawn: each regulator has an equal part, its strongest.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        There is no edge to draw, or a column is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> import scmamba
    >>> edges = pd.DataFrame({"regulator": ["A", "A"], "target": ["B", "C"], "weight": [1, -0.5]})
    >>> scmamba.pl.gene_network(edges).axes[0].get_xticks().tolist()
    []
    """
    import networkx as nx

    check_count("n_regulators", n_regulators, optional=False)
    check_count("n_edges", n_edges, optional=False)
    if not isinstance(edges, pd.DataFrame) or not set(edges.columns) >= _COLUMNS:
        raise ScmambaError(
            f"edges is {list(getattr(edges, 'columns', [type(edges).__name__]))}; give the edges "
            "of a gene network, a table with columns 'regulator', 'target' and 'weight'"
        )
    some = edges if regulators is None else edges[edges["regulator"].isin(list(regulators))]
    if some.empty:
        raise ScmambaError(
            f"there is no edge of regulators={regulators}; the table has edges of "
            f"{', '.join(map(repr, edges['regulator'].unique()[:5])) or 'no regulator'}"
        )
    size = some["weight"].abs()
    kept = some.loc[size.sort_values(ascending=False, kind="stable").index]
    if regulators is None:
        kept = kept[kept["regulator"].isin(kept["regulator"].unique()[:n_regulators])]
    part = max(n_edges // kept["regulator"].nunique(), 1)
    kept = kept.groupby("regulator", sort=False).head(part).head(n_edges)

    graph = nx.DiGraph()
    graph.add_edges_from(zip(kept["regulator"], kept["target"], strict=True))
    sources = set(kept["regulator"])
    where = layout(graph)
    canvas = Canvas(_SIZE, _SIZE, ax)
    axes = canvas.place(0.3, 0.5, _SIZE - 0.6, _SIZE - 1.2)
    largest = float(size.loc[kept.index].max()) or 1.0
    signs = np.sign(kept["weight"]) if "sign" not in kept else kept["sign"]
    for (_, edge), sign in zip(kept.iterrows(), signs, strict=True):
        axes.add_patch(
            FancyArrowPatch(
                where[edge["regulator"]],
                where[edge["target"]],
                arrowstyle="-|>",
                mutation_scale=9,
                shrinkA=7,
                shrinkB=6,
                linewidth=0.5 + 2 * abs(edge["weight"]) / largest,
                color=BLUE if sign > 0 else ORANGE if sign < 0 else GRAY,
                alpha=0.75,
                connectionstyle="arc3,rad=0.08",
                zorder=1,
            )
        )
    for node, (x, y) in where.items():
        mine = node in sources
        axes.scatter(x, y, s=70 if mine else 26, c=INK if mine else "white", ec=INK, zorder=2)
        axes.annotate(
            str(node),
            (x, y),
            (0, 7 if mine else 5),
            textcoords="offset points",
            ha="center",
            fontsize=9 if mine else 7,
            fontweight="bold" if mine else "normal",
            color=INK if mine else MUTED,
            zorder=3,
            bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.7},
        )
    axes.margins(0.08)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(LINE)
    kinds = {BLUE: "activates", ORANGE: "represses"} if (signs != 0).any() else {GRAY: "no sign"}
    lines = [Line2D([], [], color=color, lw=2, label=text) for color, text in kinds.items()]
    axes.legend(
        handles=lines,
        loc="upper right",
        bbox_to_anchor=(1, 1.1),
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    n, drawn = edges["regulator"].nunique(), f"{len(sources)}"
    drawn += f" of {n:,} regulators" if n > len(sources) else " regulators"
    more = f" of {len(edges):,}" if len(edges) > len(kept) else ""
    title(axes, "Gene network", f"{drawn}, {len(kept)}{more} edges")
    return canvas.finish(show, save)
