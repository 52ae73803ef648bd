"""Every picture goes into given axes where it has one main panel, and into files; none is shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from scmamba import ScmambaError, pl
from scmamba.datasets import synthetic
from scmamba.pl._canvas import Canvas
from scmamba.pl._points import colors_of, labels_of

PICTURES = [name for name in pl.__all__ if name not in ("Report", "report")]
TASKS = pd.DataFrame(
    {
        "task": ["promoter", "splice", "enhancer"] * 2,
        "category": ["regulation", "splicing", "chromatin"] * 2,
        "method": ["scmamba"] * 3 + ["CNN"] * 3,
        "mcc": [0.8, 0.7, 0.6, 0.7, 0.6, 0.5],
    }
)
COSTS = pd.DataFrame(
    {"mcc": [0.8, 0.7], "seconds": [90.0, 60.0], "n_parameters": [4e5, 2e5]}, index=["a", "b"]
)
EDGES = pd.DataFrame({"regulator": ["A", "A"], "target": ["B", "C"], "weight": [1, -0.5]})
COUNTS = pd.DataFrame([[2, 1], [0, 3]], list("BT"), list("BT"))
EFFECTS = pd.DataFrame(np.eye(3), index=["x", "y", "z"], columns=["g1", "g2", "g3"])
CHANGE = EFFECTS.loc["x"]
HISTORY = pd.DataFrame({"train_loss": [1.0, 0.6], "val_loss": [1.1, 0.8]}, index=[1, 2])
RANKING = pd.DataFrame(
    {"perturbation": ["x"], "score": [0.5], "distance": [0.1], "measured": [True]}
)


def cells() -> ad.AnnData:
    adata = synthetic(60, 20, 3, n_batches=2)
    adata.obs["scmamba_confidence"] = np.linspace(0.2, 1, 60)
    adata.obs["scmamba_weight_rna"], adata.obs["scmamba_weight_prot"] = 0.6, 0.4
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(60, 2))
    return adata


DRAW: dict[str, Callable[..., Figure]] = {
    "composition": lambda **o: pl.composition(cells(), "batch", "cell_type", **o),
    "confidence": lambda **o: pl.confidence(cells(), **o),
    "confusion": lambda **o: pl.confusion(COUNTS, **o),
    "gene_network": lambda **o: pl.gene_network(EDGES, **o),
    "modality_weights": lambda **o: pl.modality_weights(cells(), "cell_type", **o),
    "perturbation_change": lambda **o: pl.perturbation_change(CHANGE, 2 * CHANGE, **o),
    "perturbation_effects": lambda **o: pl.perturbation_effects(EFFECTS, **o),
    "perturbation_gene": lambda **o: pl.perturbation_gene({"all": cells()}, "gene_0", **o),
    "perturbation_ranking": lambda **o: pl.perturbation_ranking(RANKING, **o),
    "reliability": lambda **o: pl.reliability(np.linspace(0.5, 1, 30), np.arange(30) > 9, **o),
    "sequence_embedding": lambda **o: pl.sequence_embedding(cells(), "scmamba_confidence", **o),
    "benchmark_by_task": lambda **o: pl.benchmark_by_task(TASKS, **o),
    "benchmark_by_category": lambda **o: pl.benchmark_by_category(TASKS, **o),
    "benchmark_efficiency": lambda **o: pl.benchmark_efficiency(COSTS, **o),
    "benchmark_radar": lambda **o: pl.benchmark_radar(TASKS, **o),
    "training_curve": lambda **o: pl.training_curve(HISTORY, **o),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _closed() -> Any:
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_the_same_options(name: str) -> None:
    options = inspect.signature(getattr(pl, name)).parameters
    assert options["show"].default is False and options["save"].default is None
    assert "ax" not in options or options["ax"].default is None
    assert ("ax" in options) == (name in DRAW or name == "explanation")


@pytest.mark.parametrize("name", DRAW)
def test_given_axes_hold_the_picture(name: str, tmp_path: Path) -> None:
    alone = DRAW[name]()
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(14, 5), subplot_kw={"projection": alone.axes[0].name}
    )
    assert DRAW[name](ax=right, save=tmp_path / "both.png") is figure
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert not left.has_data() and (right.has_data() or right.patches or right.images)
    assert right.get_xlabel() == alone.axes[0].get_xlabel()
    for ticks in ("get_xticklabels", "get_yticklabels"):
        if name not in ("benchmark_efficiency", "benchmark_by_category"):
            continue
        got = [text.get_text() for text in getattr(right, ticks)()]
        assert got == [text.get_text() for text in getattr(alone.axes[0], ticks)()]


def test_a_radar_takes_polar_axes_alone() -> None:
    with pytest.raises(ScmambaError, match="a radar needs polar axes, such as"):
        pl.benchmark_radar(TASKS, ax=pyplot.subplots()[1])


@pytest.mark.parametrize(("metric", "heading"), [(None, "On validation"), ("val_loss", "Loss")])
def test_given_axes_hold_the_panel_of_the_metric(metric: str | None, heading: str) -> None:
    history = HISTORY.drop(columns="val_loss") if metric is None else HISTORY
    figure, ax = pyplot.subplots()
    pl.training_curve(history.assign(val_accuracy=[0.5, 0.7]), metric, ax=ax)
    assert figure.axes == [ax]
    assert any(text.get_text().startswith(heading) for text in ax.texts)


def test_what_stands_beside_keeps_its_distance_in_inches() -> None:
    figure, ax = pyplot.subplots(figsize=(10, 10))
    ax.set_position((0.1, 0.1, 0.5, 0.5))  # 5 by 5 inches
    canvas = Canvas(4, 4, ax)
    assert canvas.place(1, 1, 2, 2) is ax
    bar = canvas.place(3.2, 1, 0.1, 2)
    figure.canvas.draw()
    box = bar.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    np.testing.assert_allclose(box.bounds, (6.2, 1, 0.1, 5), atol=1e-6)


def test_names_in_given_axes_are_no_formulas() -> None:
    _, ax = pyplot.subplots()
    pl.confusion(pd.DataFrame([[1]], index=[r"$\frac{"], columns=["a$b$c"]), ax=ax)
    ax.figure.canvas.draw()


def test_a_picture_is_written_but_not_shown(tmp_path: Path) -> None:
    pl.confidence(cells(), save=tmp_path / "one.pdf")
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF") and not pyplot.get_fignums()


def test_show_asks_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Figure] = []
    monkeypatch.setattr(
        pyplot, "show", lambda: shown.append(pyplot.get_current_fig_manager().canvas.figure)
    )
    figure = pl.confidence(cells(), show=True)
    assert shown == [figure]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ax": 3}, "ax is a int; give one matplotlib Axes"),
        ({"save": "a.xyz"}, "save='.*a.xyz' cannot be written: .*xyz.* is not supported"),
        ({"save": "nowhere/picture.png"}, "save='.*nowhere.picture.png' cannot be written"),
    ],
    ids=["ax", "format", "folder"],
)  # fmt: skip
def test_wrong_options_are_named(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScmambaError, match=message):
        pl.confidence(cells(), **options)
    assert not list(tmp_path.iterdir())


def test_a_label_of_the_prediction_alone_has_a_color_of_its_own() -> None:
    obs = {"truth": pd.Categorical(list("abcd")), "guess": pd.Categorical(list("aexy"))}
    adata = ad.AnnData(obs=pd.DataFrame(obs, index=list("1234")))
    for given in ([], ["#d62728", "#1f77b4", "#2ca02c", "#ff7f0e"]):
        if given:
            adata.uns["truth_colors"] = given
        colors = colors_of(adata, {key: labels_of(adata, key) for key in obs})
        assert len(set(colors.values())) == len(colors) == 7
        assert not given or [colors[name] for name in "abcd"] == given
