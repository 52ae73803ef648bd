"""Pictures of batch correction: colors, order, and what does not fit."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from scmamba import ScmambaError
from scmamba.metrics import IntegrationScores
from scmamba.pl import integration_runs, integration_scores, integration_umap

GROUPS = {"cLISI": "Bio conservation", "iLISI": "Batch correction", "KMeans": "Bio conservation"}


@pytest.fixture
def mixed(cells: ad.AnnData) -> ad.AnnData:
    cells.obs["batch"] = pd.Categorical(np.where(np.arange(60) % 3, "first", "second"))
    cells.obsm["X_umap_before"] = cells.obsm["X_umap"] + 100
    return cells


def table(rows: list[str]) -> IntegrationScores:
    names = [*GROUPS, "Batch correction", "Bio conservation", "Total"]
    values = np.arange(len(rows))[:, None] * 0.3 + np.arange(len(names)) * 0.01
    return IntegrationScores(pd.DataFrame(values, rows, names), GROUPS, 100, 90)


def test_each_row_of_panels_has_its_colors(mixed: ad.AnnData) -> None:
    figure = integration_umap(mixed, "batch", "label")
    assert len(figure.axes) == 4
    assert [axes.get_ylabel() for axes in figure.axes] == ["batch", "", "label", ""]
    given = dict(zip(mixed.obs["label"].cat.categories, mixed.uns["label_colors"], strict=True))
    for axes, key in zip(figure.axes[2:], ("X_umap_before", "X_umap"), strict=True):
        points = axes.collections[0]
        offsets = points.get_offsets()
        drawn = dict(zip(map(tuple, offsets), map(to_hex, points.get_facecolors()), strict=True))
        for place, label in zip(mixed.obsm[key], mixed.obs["label"], strict=True):
            assert drawn[tuple(place)] == given[label]
    named = [[text.get_text() for text in one.get_texts()] for one in figure.legends]
    assert named == [["first", "second"], sorted(given)]


def test_any_embeddings_and_batches_alone(mixed: ad.AnnData) -> None:
    figure = integration_umap(mixed, "batch", bases={"A": "umap", "B": "umap", "C": "umap"})
    assert len(figure.axes) == 3


def test_legends_stay_inside_and_off_the_panels(mixed: ad.AnnData) -> None:
    figure = integration_umap(mixed, "batch", "label")
    renderer = FigureCanvasAgg(figure).get_renderer()
    for legend in figure.legends:
        box = legend.get_window_extent(renderer)
        assert box.x1 <= figure.bbox.x1 and box.y0 >= 0
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_an_embedding_that_is_missing_is_told(mixed: ad.AnnData) -> None:
    del mixed.obsm["X_umap_before"]
    with pytest.raises(ScmambaError, match=r"basis='X_umap_before' is not in adata\.obsm"):
        integration_umap(mixed, "batch")


def test_the_best_total_stands_first_and_groups_together() -> None:
    figure = integration_scores(table(["worst", "best"]))
    dots, *bars = figure.axes
    assert [text.get_text() for text in dots.get_yticklabels()] == ["best", "worst"]
    heads = [text.get_text() for text in dots.texts if text.get_rotation()]
    assert heads == ["cLISI", "KMeans", "iLISI"]
    assert [bar.texts[0].get_text() for bar in bars] == ["0.340", "0.330", "0.350"]
    assert [bar.texts[0].get_weight() for bar in bars] == ["bold"] * 3
    values = [text.get_text() for text in dots.texts if not text.get_rotation()]
    assert values == ["0.30", "0.32", "0.31", "0.00", "0.02", "0.01"]
    assert any("90 of 100 cells" in text.get_text() for text in figure.texts)


def test_runs_in_order_of_their_mean_totals() -> None:
    runs = pd.DataFrame(
        {
            "method": ["a", "b", "a", "b"],
            "Total": [0.2, 0.6, 0.9, 0.7],
            "Isolated labels": [0.1, 0.2, 0.3, 0.4],
            "seconds": [1.0, 100.0, 2.0, 200.0],
            "peak GB": [1.0, 2.0, 3.0, 4.0],
        }
    )
    figure = integration_runs(runs)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b"]
    seeds, means = (figure.axes[0].collections[i].get_offsets() for i in (1, 2))
    np.testing.assert_allclose(seeds, [[0.2, 0], [0.6, 1], [0.9, 0], [0.7, 1]])
    np.testing.assert_allclose(means, [[0.55, 0], [0.65, 1]])
    assert figure.axes[2].get_xscale() == "log"


@pytest.mark.parametrize(
    ("runs", "message"),
    [({"method": ["a"]}, "no column 'Total'"), (None, "runs is empty")],
)
def test_runs_that_cannot_be_drawn(runs: dict[str, list[str]] | None, message: str) -> None:
    empty = ["method", "Total", "Isolated labels", "seconds", "peak GB"]
    table = pd.DataFrame(columns=empty) if runs is None else pd.DataFrame(runs)
    with pytest.raises(ScmambaError, match=message):
        integration_runs(table)
