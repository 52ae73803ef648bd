"""The triptych: colors mean the same in every panel, and nothing hides anything."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from scmamba import ScmambaError
from scmamba.pl import umap_triptych
from scmamba.pl._style import GRAY


def drawn(figure: Figure, panel: int) -> dict[tuple[float, float], str]:
    """Color of each point of a panel."""
    points = figure.axes[panel].collections[0]
    colors = points.get_facecolors()
    return {tuple(xy): to_hex(c) for xy, c in zip(points.get_offsets(), colors, strict=True)}


def test_colors_of_adata_are_used_in_both_panels(cells: ad.AnnData) -> None:
    figure = umap_triptych(cells, "label")
    given = dict(zip(cells.obs["label"].cat.categories, cells.uns["label_colors"], strict=True))
    truth, guess = drawn(figure, 0), drawn(figure, 1)
    places = [tuple(xy) for xy in cells.obsm["X_umap"]]
    for place, is_, said in zip(
        places, cells.obs["label"], cells.obs["scmamba_best_guess"], strict=True
    ):
        assert truth[place] == given[is_]
        assert guess[place] == given.get(said, GRAY)


def test_gray_cells_lie_behind_and_doubtful_ones_on_top(cells: ad.AnnData) -> None:
    figure = umap_triptych(cells, "label")
    gray = [color == GRAY for color in drawn(figure, 1).values()]
    assert gray == sorted(gray, reverse=True)
    assert sum(gray) == 8
    confidence = np.asarray(figure.axes[2].collections[0].get_array())
    assert (np.diff(confidence) <= 0).all()


def test_cells_stay_as_they_were(cells: ad.AnnData) -> None:
    before = cells.copy()
    umap_triptych(cells, "label")
    assert cells.uns.keys() == before.uns.keys()
    assert cells.obs.equals(before.obs)


def test_legend_lies_below_the_panels_and_inside_the_figure(cells: ad.AnnData) -> None:
    figure = umap_triptych(cells, "label")
    renderer = FigureCanvasAgg(figure).get_renderer()
    legend = figure.legends[0].get_window_extent(renderer)
    for axes in figure.axes:
        assert not legend.overlaps(axes.get_tightbbox(renderer))
    assert legend.y0 >= 0
    assert legend.x1 <= figure.bbox.x1
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "unknown"


def test_without_truth_two_panels_and_scanpys_colors(cells: ad.AnnData) -> None:
    figure = umap_triptych(cells, basis="umap")
    assert len(figure.axes) == 3  # prediction, confidence, color bar
    assert set(drawn(figure, 0).values()) >= {GRAY}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"truth": "nope"}, "'nope' is not in adata.obs"), ({"basis": "tsne"}, "scanpy.tl.umap")],
)
def test_errors_name_what_is_there(cells: ad.AnnData, wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        umap_triptych(cells, **wrong)
