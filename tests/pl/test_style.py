"""Figures in notebooks, and text of the data in them."""

from __future__ import annotations

import io

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import pl
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import GRAY, is_gray, text_width

NAMES = ["$x", "a$b$c", r"$\frac{", r"\$", "a_b^c", "{", "50 % \\alpha", "$$", "ü" * 60]


def cells() -> ad.AnnData:
    n = 4 * len(NAMES)
    rng = np.random.default_rng(0)
    labels = pd.Categorical(np.resize(NAMES, n))
    obs = pd.DataFrame({"truth $t": labels, "guess $g$": labels, "p": rng.random(n)})
    adata = ad.AnnData(obs=obs.set_index(pd.Index([f"c{i}" for i in range(n)])))
    adata.obsm["X_umap"] = rng.normal(size=(n, 2))
    return adata


def test_a_notebook_shows_the_picture() -> None:
    canvas = Canvas(2, 1)
    canvas.place(0.5, 0.5, 1, 0.3)
    assert canvas.finish()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_names_of_the_data_are_no_formulas(format: str) -> None:
    figure = pl.umap_triptych(cells(), "truth $t", "guess $g$", "p")
    for box in (None, "tight"):
        figure.savefig(io.BytesIO(), format=format, bbox_inches=box)
    assert figure._repr_png_()


def test_a_confusion_of_such_names() -> None:
    counts = pd.DataFrame(np.eye(len(NAMES), dtype=int), index=NAMES, columns=NAMES)
    assert pl.confusion(counts)._repr_png_()


def test_width_of_text_with_dollars() -> None:
    assert text_width(["$x$"]) > text_width(["x"])
    assert text_width(NAMES) > 0


def test_powers_on_a_log_axis_are_still_formulas() -> None:
    canvas = Canvas(3, 2)
    axes, figure = canvas.place(0.5, 0.5, 2, 1), canvas.finish()
    axes.loglog([1, 1e6], [1, 1e6])
    axes.set_title("$name")
    figure.savefig(io.BytesIO(), format="png")
    assert all(label.get_parse_math() for label in axes.get_xticklabels() if label.get_text())
    assert not axes.title.get_parse_math()


def test_no_label_has_the_color_of_unknown_cells() -> None:
    adata = cells()
    adata.uns["truth $t_colors"] = ["#7f7f7f", "#c7c7c7", GRAY, *["#1f77b4"] * (len(NAMES) - 3)]
    from scmamba.pl._points import colors_of, labels_of

    colors = colors_of(adata, {"truth $t": labels_of(adata, "truth $t")})
    assert not any(map(is_gray, colors.values()))
    assert set(colors) == set(NAMES)
