"""Which change of a sequence does what: a heat map and a logo."""

from __future__ import annotations

from os import PathLike

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba.pl._letters import NUCLEOTIDES, lines, logo, position_axis
from scmamba.pl._style import GRAY, INK, MUTED, title

_ROW, _SIDE = 0.2, 1.15
_SUBSTITUTION = "substitution"
# Losses are warm, gains calm, no change is white.
_DIVERGING = LinearSegmentedColormap.from_list(
    "change", ["#8f1d14", "#d9482b", "#f4a261", "#ffffff", "#9cc3e4", "#2b6cb0", "#153e75"]
)


def mutagenesis_heatmap(
    table: pd.DataFrame,
    *,
    value: str = "change",
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw each change as a cell: what is done in rows, where in columns.

    Parameters
    ----------
    table
        What :func:`scmamba.tasks.sequence.mutagenesis` gives.
    value
        Column to color by. White is 0; dots mark the nucleotides of the sequence itself. Cuts
        change so much that the other changes set the strength of the colors, where there are any.
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
        The table lacks a column, or holds no number there.

    Examples
    --------
    >>> import scmamba
    >>> def gc_content(sequences):
    ...     return [sum(map(text.count, "GC")) / len(text) for text in sequences]
    >>> table = scmamba.tasks.sequence.mutagenesis("ACGTACGTAC", gc_content)
    >>> figure = scmamba.pl.mutagenesis_heatmap(table)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['A', 'C', 'G', 'T']
    """
    _check(table, value)
    names = zip(table["kind"], table["ref"], table["alt"], strict=True)
    labeled = table.assign(row=[_row(*parts) for parts in names])
    order = sorted(labeled["row"].unique(), key=_rank)
    cells = labeled.pivot_table(index="row", columns="position", values=value, dropna=False)
    positions = np.arange(table["position"].min(), table["position"].max() + 1)
    cells = cells.reindex(index=order, columns=positions)
    letters = _letters(table)
    strongest = _strongest(cells)
    canvas, panels = lines(positions, _ROW * len(order))
    for axes, part in panels:
        image = axes.imshow(
            cells[part],
            cmap=_DIVERGING,
            vmin=-strongest,
            vmax=strongest,
            aspect="auto",
            extent=(part[0] - 0.5, part[-1] + 0.5, len(order) - 0.5, -0.5),
            interpolation="nearest",
        )
        axes.set_facecolor("#eef1f4")
        dots = [(p, order.index(letters[p])) for p in part if letters.get(p) in order]
        x, y = np.reshape(dots, (-1, 2)).T
        axes.scatter(x, y, s=5, color=INK, linewidths=0)
        axes.set_yticks(range(len(order)), order)
        axes.tick_params(length=0, labelsize=8, labelcolor=MUTED)
        axes.spines[:].set_visible(False)
        position_axis(axes, part)
    first, width, height = canvas.axes[0], canvas.width, canvas.height
    title(first, "Mutagenesis", f"{len(table):,} changes at {len(positions):,} positions")
    box = first.get_position()
    bar = canvas.place(width - _SIDE + 0.15, box.y0 * height, 0.1, max(box.height * height, 0.6))
    beyond = bool((np.abs(cells) > strongest).any(axis=None))
    canvas.figure.colorbar(image, cax=bar, extend="both" if beyond else "neither")
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GRAY)
    bar.set_ylabel(value, fontsize=8, color=MUTED)
    bar.spines[:].set_visible(False)
    return canvas.finish(show, save)


def mutagenesis_logo(
    table: pd.DataFrame,
    *,
    value: str = "change",
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw each nucleotide as high as the mean loss when another takes its place.

    Parameters
    ----------
    table
        What :func:`scmamba.tasks.sequence.mutagenesis` gives, with substitutions.
    value
        Column of the change; its mean over the substitutions of a position, with the sign turned,
        is the height. Letters below the line would better be others.
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
        The table lacks a column or substitutions, or logomaker is not installed.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("logomaker")
    >>> import scmamba
    >>> def gc_content(sequences):
    ...     return [sum(map(text.count, "GC")) / len(text) for text in sequences]
    >>> table = scmamba.tasks.sequence.mutagenesis("ACGTACGTAC", gc_content)
    >>> scmamba.pl.mutagenesis_logo(table).axes[0].get_ylabel()
    'mean loss'
    """
    _check(table, value)
    rows = table[(table["kind"] == _SUBSTITUTION) & (table["alt"] != "N")]
    if rows.empty:
        raise ScmambaError("the table holds no substitutions; run mutagenesis with them")
    loss = -rows.groupby("position")[value].mean()
    letters = rows.groupby("position")["ref"].first()
    positions = np.arange(loss.index.min(), loss.index.max() + 1)
    heights = pd.DataFrame(0.0, index=positions, columns=sorted(letters.unique()))
    for position, letter in letters.items():
        heights.at[position, letter] = loss[position]
    canvas = logo(heights, f"mean loss of {value}" if value == "score" else "mean loss")
    title(canvas.axes[0], "What each nucleotide is worth", "mean over its substitutions")
    return canvas.finish(show, save)


def _strongest(cells: pd.DataFrame) -> float:
    """Return the change drawn in full color: the 99th percentile, cuts left out if possible."""
    whole = cells[~cells.index.str.endswith("cut")]
    seen = np.abs(whole if whole.notna().any(axis=None) else cells).to_numpy()
    return max(float(np.nanquantile(seen, 0.99)), np.finfo(float).tiny)


def _check(table: pd.DataFrame, value: str) -> None:
    missing = [name for name in ("kind", "position", "ref", "alt", value) if name not in table]
    if missing:
        raise ScmambaError(
            f"the table lacks {', '.join(map(repr, missing))}; give what "
            "scmamba.tasks.sequence.mutagenesis returns"
        )
    if not table[value].notna().any():
        raise ScmambaError(f"the table's column {value!r} holds no number")


def _row(kind: str, ref: str, alt: str) -> str:
    if kind == _SUBSTITUTION:
        return alt
    if kind == "insertion":
        return f"+ {alt}" if len(alt) <= 6 else f"+ {len(alt)} nt"
    return f"{kind} {len(ref)}" if kind in ("deletion", "gap") else kind


def _rank(row: str) -> tuple[int, int, str]:
    """Letters first in their order, then all else by name."""
    return (0, list(NUCLEOTIDES).index(row), row) if row in NUCLEOTIDES else (1, 0, row)


def _letters(table: pd.DataFrame) -> dict[int, str]:
    """Nucleotide at each position that is substituted."""
    rows = table[table["kind"] == _SUBSTITUTION]
    return dict(zip(rows["position"], rows["ref"], strict=True))
