"""One gene in control, predicted and observed cells."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._points import labels_of
from scmamba.pl._side_column import side_column
from scmamba.pl._style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    palette,
    quiet,
    text_width,
    title,
)
from scmamba.pp import expression, log_normalized

_ROW = 0.75  # inches
_MOST_DOTS = 500  # of a group
_SHADES = (MUTED, ORANGE, BLUE)

Floats = npt.NDArray[np.float64]


def perturbation_gene(
    cells: AnnData | Mapping[str, AnnData],
    gene: str,
    *,
    groupby: str | None = None,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the distribution of one gene in control, predicted and observed cells.

    Parameters
    ----------
    cells
        Groups of cells by name, such as ``{"control": ..., "predicted": ..., "observed": ...}``,
        drawn in this order from the top; or one AnnData with a column that tells them apart.
        Counts, or values in any unit that :func:`scmamba.pp.unit_of` knows; not changed.
    gene
        Name of the gene, as in ``var_names``.
    groupby
        ``obs`` column with the groups, of one AnnData; cells without a label are left out.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with one row per group: the density of log-normalized expression (log1p of counts per
    10,000), at most 500 cells as dots beneath, the mean as a line, and at the right the fraction
    of cells that express the gene. Each density is as high as the others.

    Raises
    ------
    ScmambaError
        If a group lacks the gene (near names are given) or has no cells, there is no group or no
        such column, or expression is invalid.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.pl import perturbation_gene
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 20, 2)
    >>> groups = {"control": adata[:30], "predicted": adata[30:]}
    >>> figure = perturbation_gene(groups, adata.var_names[0])
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['control', 'predicted']
    """
    groups = _groups(cells, gene, groupby)
    shades = _SHADES if len(groups) <= len(_SHADES) else palette(len(groups))
    left, wide, high = text_width(groups) + 0.3, 3.8, _ROW * len(groups)
    canvas = Canvas(left + wide + 1.5, 0.55 + high + 0.65, ax)
    axes = canvas.place(left, 0.55, wide, high)
    highest = max(float(values.max()) for values in groups.values()) or 1.0
    grid = np.linspace(0, 1.1 * highest, 200)
    rng = np.random.default_rng(0)
    for i, (values, shade) in enumerate(zip(groups.values(), shades, strict=False)):
        density = _density(values, grid)
        axes.fill_between(grid, i, i - 0.62 * density, color=shade, alpha=0.45, linewidth=0)
        axes.plot(grid, i - 0.62 * density, color=shade, linewidth=1.2)
        dots = values
        if len(values) > _MOST_DOTS:
            dots = rng.choice(values, _MOST_DOTS, replace=False)
        heights = i + rng.uniform(0.05, 0.24, len(dots))
        axes.scatter(dots, heights, s=4, color=shade, alpha=0.5, linewidths=0, rasterized=True)
        axes.vlines(values.mean(), i - 0.62, i, color=INK, linewidth=1.6)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.7, -0.72)
    axes.set_xlim(-0.02 * highest, grid[-1])
    shares = (f"{(values > 0).mean():.0%} of {len(values):,}" for values in groups.values())
    side_column(axes, "expressing", shares)
    axes.set_xlabel("log-normalized expression")
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    title(axes, gene, "lines are means")
    return canvas.finish(show, save)


def _groups(
    cells: AnnData | Mapping[str, AnnData], gene: str, groupby: str | None
) -> dict[str, Floats]:
    """Return values of the gene by group."""
    if isinstance(cells, AnnData):
        if groupby is None:
            raise ScmambaError(
                "groupby=None; name the obs column that tells control from perturbed cells, or "
                "give groups of cells: {'control': ..., 'observed': ...}. obs has "
                f"{sorted(map(str, cells.obs))}"
            )
        labels = labels_of(cells, groupby)
        values = _values(cells, gene, "adata")
        names = sorted(labels.dropna().unique())
        if hasattr(cells.obs[groupby], "cat"):
            names = [str(one) for one in cells.obs[groupby].cat.categories if str(one) in names]
        found = {name: values[(labels == name).to_numpy()] for name in names}
    elif isinstance(cells, Mapping):
        if groupby is not None:
            raise ScmambaError(
                f"groupby={groupby!r} was given together with groups of cells; give it with one "
                "AnnData"
            )
        for name, one in cells.items():
            if not isinstance(one, AnnData):
                raise ScmambaError(f"cells[{name!r}] is a {type(one).__name__}; give an AnnData")
        found = {str(name): _values(one, gene, f"cells[{name!r}]") for name, one in cells.items()}
    else:
        raise ScmambaError(
            f"cells is a {type(cells).__name__}; give groups of cells as a dict of AnnData, or one "
            "AnnData and groupby="
        )
    if not found:
        raise ScmambaError("there is no group of cells; give at least one")
    return found


def _values(cells: AnnData, gene: str, name: str) -> Floats:
    """(n_cells,) log-normalized expression of a gene."""
    found = expression(cells)
    names = [str(one) for one in found.var_names]
    places = [i for i, one in enumerate(names) if one == gene]
    if not places:
        by_upper = {one.upper(): one for one in names}
        near = get_close_matches(str(gene).upper(), list(by_upper), n=3, cutoff=0.6)
        shown = [by_upper[one] for one in near] or names[:5]
        raise ScmambaError(
            f"gene={gene!r} is not among the {len(names):,} genes of {name}; near or first names: "
            f"{', '.join(map(repr, shown))}"
        )
    if len(places) > 1:
        raise ScmambaError(
            f"gene={gene!r} is {len(places)} columns of {name}; make the names unique: "
            "adata.var_names_make_unique()"
        )
    values = log_normalized(found.X, found.unit)[:, places]
    return np.asarray(values.toarray(), dtype=np.float64).ravel()


def _density(values: Floats, grid: Floats) -> Floats:
    """Density on the grid, 1 at its highest; mirrored at 0, which no value is below."""
    if len(values) < 3 or np.ptp(values) < 1e-9:
        width = 0.02 * grid[-1]
        found = np.exp(-0.5 * ((grid[:, None] - values) / width) ** 2).sum(1)
    else:
        kernel = gaussian_kde(values)
        # Scott's rule is for one peak; a gene that only some cells express has two.
        kernel.set_bandwidth(0.6 * kernel.factor)
        found = kernel(grid) + kernel(-grid)
    return np.asarray(found / found.max(), dtype=np.float64)
