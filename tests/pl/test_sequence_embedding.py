"""Embedded sequences: a UMAP where there is none, colors by label or by number."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from scmamba import ScmambaError
from scmamba.pl import sequence_embedding
from scmamba.pl._style import GRAY


@pytest.fixture
def sequences() -> ad.AnnData:
    rng = np.random.default_rng(0)
    kind = np.repeat(["x", "y"], 12).astype(object)
    kind[3] = None
    adata = ad.AnnData(
        obs=pd.DataFrame(
            {"kind": pd.Categorical(kind), "gc": rng.random(24), "right": [True, False] * 12},
            index=[f"s{i}" for i in range(24)],
        )
    )
    adata.obsm["X_scmamba"] = rng.normal(size=(24, 5)) + 9 * (np.arange(24) > 11)[:, None]
    adata.uns["kind_colors"] = ["#ff0000", "#0000ff"]
    return adata


def test_labels_have_the_colors_of_adata(sequences: ad.AnnData) -> None:
    points = np.random.default_rng(1).normal(size=(24, 2))
    sequences.obsm["X_umap"] = points
    figure = sequence_embedding(sequences, "kind")
    drawn = figure.axes[0].collections[0]
    found = {
        tuple(xy): to_hex(c)
        for xy, c in zip(drawn.get_offsets(), drawn.get_facecolors(), strict=True)
    }
    wanted = {"x": "#ff0000", "y": "#0000ff"}
    for place, kind in zip(points, sequences.obs["kind"], strict=True):
        assert found[tuple(place)] == wanted.get(kind, GRAY)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", "y"]


def test_numbers_have_a_bar_and_the_highest_lie_on_top(sequences: ad.AnnData) -> None:
    sequences.obsm["X_umap"] = np.random.default_rng(1).normal(size=(24, 2))
    figure = sequence_embedding(sequences, "gc")
    values = np.asarray(figure.axes[0].collections[0].get_array())
    assert values.tolist() == sorted(sequences.obs["gc"])
    assert len(figure.axes) == 2


def test_a_umap_is_made_where_there_is_none(sequences: ad.AnnData) -> None:
    before = sequences.copy()
    figure = sequence_embedding(sequences, "right")
    places = figure.axes[0].collections[0].get_offsets()
    assert len(places) == 24
    assert "X_umap" not in sequences.obsm
    assert sequences.uns.keys() == before.uns.keys()
    again = sequence_embedding(sequences, "right").axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(places, again)
    assert len(sequence_embedding(sequences).axes) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "nope"}, "'nope' is not in adata.obs"),
        ({"embedding": "X_other"}, "embedding='X_other' is not in adata.obsm"),
        ({"basis": "tsne"}, "basis='tsne' is not in adata.obsm"),
    ],
)
def test_what_is_missing_is_named(sequences, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        sequence_embedding(sequences, **options)


def test_too_few_sequences_are_told(sequences: ad.AnnData) -> None:
    with pytest.raises(ScmambaError, match="4 sequences are too few"):
        sequence_embedding(sequences[:4])
    assert sequence_embedding(sequences[:5]).axes
