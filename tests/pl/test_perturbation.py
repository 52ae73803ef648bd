"""Pictures of perturbations."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.pl import (
    perturbation_change,
    perturbation_effects,
    perturbation_gene,
    perturbation_ranking,
)
from scmamba.pp import expression, log_normalized


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.fixture
def observed() -> pd.Series:
    values = np.random.default_rng(0).normal(size=40)
    return pd.Series(values, [f"G{i}$" for i in range(40)])


@pytest.fixture
def effects() -> pd.DataFrame:
    """Two programs of five genes, each moved by every second perturbation; the rest is quiet."""
    values = np.random.default_rng(0).normal(scale=0.01, size=(6, 30))
    values[::2, 0:10:2] += 2
    values[1::2, 1:10:2] -= 1
    return pd.DataFrame(values, [f"P{i}" for i in range(6)], [f"G{i}" for i in range(30)])


@pytest.fixture
def ranking() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "perturbation": ["A", "A+B", "C"],
            "score": [0.9, 0.4, -0.3],
            "distance": [0.1, 0.25, 1.5],
            "measured": [True, False, True],
        }
    )


def test_change_is_drawn_by_gene(observed: pd.Series) -> None:
    noise = np.random.default_rng(1).normal(size=40)
    predicted = (observed + noise).iloc[::-1]
    predicted = predicted.sample(frac=1, random_state=0)
    figure = perturbation_change(observed, predicted, n_labels=4)
    drawn = np.asarray(figure.axes[0].collections[0].get_offsets())
    expected = np.column_stack([observed, predicted.reindex(observed.index)])
    np.testing.assert_allclose(drawn, expected)
    named = observed.abs().nlargest(4).index
    assert set(named) <= set(_texts(figure))
    assert sum(text.startswith("G") for text in _texts(figure)) == 4
    pearson = np.corrcoef(expected.T)[0, 1]
    assert f"Pearson {pearson:.2f}" in _texts(figure)
    figure.canvas.draw()  # names with $ are no formulas


def test_names_of_changes_do_not_overlap() -> None:
    values = np.repeat([0.0, 3.0], [30, 10]) + np.linspace(0, 0.2, 40)
    change = pd.Series(values, [f"GENE{i}" for i in range(40)])
    figure = perturbation_change(change, change)
    figure.canvas.draw()
    names = [text for text in figure.axes[0].texts if text.get_text().startswith("GENE")]
    boxes = [text.get_window_extent() for text in names]
    assert len(boxes) == 10
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    # Boxes have some room above and below the letters.
    assert not any(a.shrunk(0.9, 0.8).overlaps(b.shrunk(0.9, 0.8)) for a, b in pairs)


def test_change_that_is_constant_has_no_correlation(observed: pd.Series) -> None:
    figure = perturbation_change(observed, observed * 0, n_labels=0)
    assert "Pearson undefined: one side is constant" in _texts(figure)
    assert len(_texts(figure)) == 3
    assert len(perturbation_change(observed * 0, observed * 0).axes) == 1


def test_change_refuses_what_does_not_match(observed: pd.Series) -> None:
    with pytest.raises(ScmambaError, match="39 are the same; 'G0\\$'"):
        perturbation_change(observed, observed.iloc[1:])
    with pytest.raises(ScmambaError, match="more than once"):
        perturbation_change(pd.concat([observed, observed[:1]]), observed)
    with pytest.raises(ScmambaError, match="predicted is NaN or infinite for 1 of 40"):
        perturbation_change(observed, observed.where(observed.index != "G3$"))
    with pytest.raises(ScmambaError, match="predicted is a list"):
        perturbation_change(observed, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ScmambaError, match="observed holds no gene"):
        perturbation_change(observed[:0], observed[:0])
    with pytest.raises(ScmambaError, match="n_labels"):
        perturbation_change(observed, observed, n_labels=-1)


def test_gene_in_groups_of_cells() -> None:
    adata = synthetic(80, 20, 2)
    gene = str(adata.var_names[3])
    figure = perturbation_gene({"control": adata[:30], "observed": adata[30:]}, gene)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["control", "observed"]
    found = expression(adata)
    values = log_normalized(found.X, found.unit)[:, [3]].toarray().ravel()
    dots = [c.get_offsets()[:, 0] for c in axes.collections if len(c.get_offsets()) > 1]
    np.testing.assert_allclose(dots[0], values[:30], rtol=1e-5)
    np.testing.assert_allclose(dots[1], values[30:], rtol=1e-5)
    assert f"{(values[:30] > 0).mean():.0%} of 30" in _texts(figure)
    means = [c.get_segments()[0][0, 0] for c in axes.collections if hasattr(c, "get_segments")]
    np.testing.assert_allclose(means, [values[:30].mean(), values[30:].mean()], rtol=1e-5)


def test_gene_by_a_column() -> None:
    adata = synthetic(40, 20, 2)
    adata.obs["state"] = pd.Categorical(["late", "early", None, "late"] * 10, ["late", "early"])
    figure = perturbation_gene(adata, str(adata.var_names[0]), groupby="state")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["late", "early"]
    assert [text.split()[-1] for text in _texts(figure)[:2]] == ["20", "10"]


def test_gene_that_is_nowhere_expressed() -> None:
    adata = synthetic(10, 20, 2)
    adata.X = adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X
    adata.X[:, 0] = 0
    figure = perturbation_gene({"a": adata, "b": adata[:1]}, str(adata.var_names[0]))
    assert _texts(figure)[:2] == ["0% of 10", "0% of 1"]
    figure.canvas.draw()


def test_gene_refuses_what_is_missing() -> None:
    adata = synthetic(10, 20, 2)
    adata.var_names = [f"ISG{i}" for i in range(20)]
    with pytest.raises(ScmambaError, match=r"isg15.*cells\['control'\]; near.*'ISG15'"):
        perturbation_gene({"control": adata}, "isg15")
    with pytest.raises(ScmambaError, match="groupby=None.*cell_type"):
        perturbation_gene(adata, "ISG15")
    with pytest.raises(ScmambaError, match="'state' is not in adata.obs"):
        perturbation_gene(adata, "ISG15", groupby="state")
    with pytest.raises(ScmambaError, match="one AnnData"):
        perturbation_gene({"control": adata}, "ISG15", groupby="cell_type")
    with pytest.raises(ScmambaError, match="no group"):
        perturbation_gene({}, "ISG15")
    with pytest.raises(ScmambaError, match="is a list"):
        perturbation_gene([adata], "ISG15")  # type: ignore[arg-type]
    with pytest.raises(ScmambaError, match="no cells"):
        perturbation_gene({"control": ad.AnnData(np.zeros((0, 3)))}, "ISG15")


def test_effects_of_variable_genes_are_clustered(effects: pd.DataFrame) -> None:
    figure = perturbation_effects(effects, n_genes=10)
    axes = figure.axes[0]
    rows = [text.get_text() for text in axes.get_yticklabels()]
    genes = [text.get_text() for text in axes.get_xticklabels()]
    assert set(genes) == {f"G{i}" for i in range(10)}
    assert len({int(name[1:]) % 2 for name in rows[:3]}) == 1
    assert len({int(name[1:]) % 2 for name in genes[:5]}) == 1
    image = axes.images[0]
    np.testing.assert_allclose(image.get_array(), effects.loc[rows, genes])
    low, high = image.get_clim()
    assert low == -high
    assert "6 perturbations, 10 of 30 genes" in _texts(figure)


def test_effects_of_few_or_many(effects: pd.DataFrame) -> None:
    figure = perturbation_effects(effects, n_perturbations=3)
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert set(rows) == {"P0", "P2", "P4"}
    one = perturbation_effects(effects.iloc[:1] * 0, n_genes=2)
    assert one.axes[0].images[0].get_array().shape == (1, 2)
    levels = [["B", "B", "T", "T", "T", "NK"], ["x", "y", "x", "y", "z", "x"], [1.0] * 6]
    effects.index = pd.MultiIndex.from_arrays(levels, names=["context", "perturbation", "dose"])
    figure = perturbation_effects(effects)
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert set(rows) == {"B, x", "B, y", "T, x", "T, y", "T, z", "NK, x"}


def test_effects_refuse_what_is_no_table(effects: pd.DataFrame) -> None:
    with pytest.raises(ScmambaError, match="shape \\(0, 30\\)"):
        perturbation_effects(effects.iloc[:0])
    with pytest.raises(ScmambaError, match="1 of the 180 effects"):
        perturbation_effects(effects.mask(effects == effects.iloc[2, 3]))
    with pytest.raises(ScmambaError, match="'name' of the table holds no numbers"):
        perturbation_effects(effects.assign(name="a"))
    with pytest.raises(ScmambaError, match="is a Series"):
        perturbation_effects(effects.iloc[0])


def test_ranking_is_drawn_in_its_order(ranking: pd.DataFrame) -> None:
    figure = perturbation_ranking(ranking)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["A", "A+B", "C"]
    dots = axes.collections[-1]
    np.testing.assert_allclose(dots.get_offsets(), [[0.9, 0], [0.4, 1], [-0.3, 2]])
    white = dots.get_facecolors()[:, :3].min(1) == 1
    assert white.tolist() == [False, True, False]
    assert _texts(figure)[:3] == ["0.1", "0.25", "1.5"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["measured", "predicted"]
    assert axes.yaxis_inverted()
    short = perturbation_ranking(ranking, n_perturbations=1)
    assert "1 of 3 perturbations" in _texts(short)
    assert [text.get_text() for text in short.legends[0].get_texts()] == ["measured"]


def test_ranking_refuses_other_tables(ranking: pd.DataFrame) -> None:
    with pytest.raises(ScmambaError, match="lacks 'score', 'measured'"):
        perturbation_ranking(ranking[["perturbation", "distance"]])
    with pytest.raises(ScmambaError, match="no rows"):
        perturbation_ranking(ranking[:0])
