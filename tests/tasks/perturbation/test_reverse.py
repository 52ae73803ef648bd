"""Reverse search: every candidate compared exactly, pairs without a table of their effects."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba.tasks import perturb

GENES = [f"g{i}" for i in range(30)]


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"gene": [*GENES[:6], "g0+g1", "g2+g3", "drug"]})
    effects = rng.normal(size=(9, 30))
    effects[6:8] += 0.8 * (effects[[0, 2]] + effects[[1, 3]])
    adata = AnnData(effects, obs=obs, var=pd.DataFrame(index=GENES))
    return perturb(adata, "gene", effects=True)


def slow(model, target, labels):
    """Score and distance of one candidate after the other, genes dropped from both."""
    rows = {}
    for label in labels:
        effect = model.predict_mean(None, [label]).iloc[0]
        used = [g for g in target.index if g in effect.index and g not in label.split("+")]
        wanted, found = target[used].to_numpy(), effect[used].to_numpy()
        distance = np.sqrt(np.mean((wanted - found) ** 2))
        rows[label] = (np.corrcoef(wanted, found)[0, 1], distance)
    return pd.DataFrame(rows, index=["score", "distance"]).T.sort_values("score", ascending=False)


@pytest.mark.parametrize("n_genes", [30, 20], ids=["all genes", "some genes"])
def test_ranks_are_those_of_one_candidate_after_the_other(model, n_genes):
    target = pd.Series(np.random.default_rng(1).normal(size=30), GENES)[:n_genes]
    target["unknown"] = 3.0
    singles = [*GENES[:6], "drug"]
    pairs = ["+".join(sorted((a, b))) for i, a in enumerate(singles) for b in singles[i + 1 :]]
    expected = slow(model, target, [*singles, *pairs])
    found = model.reverse(target, singles, change=True, combinations=2, top_k=None)
    assert found["perturbation"].tolist() == expected.index.tolist()
    np.testing.assert_allclose(found[["score", "distance"]], expected, rtol=1e-6, atol=1e-9)
    measured = set(found.loc[found["measured"], "perturbation"])
    assert measured == {*singles, "g0+g1", "g2+g3"}


def test_no_candidate_is_listed_twice(model):
    target = pd.Series(np.random.default_rng(1).normal(size=30), GENES)
    given = ["g0", "g1", "g0", "g1+g0", "g0+g4", "g4"]
    found = model.reverse(target, given, change=True, combinations=2, top_k=None)
    assert sorted(found["perturbation"]) == ["g0", "g0+g1", "g0+g4", "g1", "g1+g4", "g4"]


def test_a_constant_effect_has_no_correlation(model):
    found = model.reverse(pd.Series(1.0, GENES), change=True, top_k=2)
    assert (found["score"] == 0).all()


def test_a_short_list_holds_the_best_of_many():
    pytest.importorskip("pynndescent")
    rng = np.random.default_rng(0)
    n = 60  # with all pairs, 1,830
    genes = [f"g{i}" for i in range(100)]
    modules = rng.normal(size=(12, 100))
    effects = rng.gamma(0.3, size=(n, 12)) @ modules + 0.5 * rng.normal(size=(n, 100))
    adata = AnnData(effects, obs=pd.DataFrame({"gene": [f"p{i}" for i in range(n)]}))
    adata.var_names = genes
    model = perturb(adata, "gene", effects=True)
    for i in range(3):
        target = pd.Series(effects[3 * i] + effects[20 + i] + 0.5 * rng.normal(size=100), genes)
        exact = model.reverse(target, change=True, combinations=2)
        found = model.reverse(target, change=True, combinations=2, search="approximate")
        pd.testing.assert_frame_equal(found, exact)


def test_a_missing_package_is_told_before_any_work(model, monkeypatch):
    monkeypatch.setattr("scmamba.tasks._perturbation.reverse_index.find_spec", lambda _: None)
    with pytest.raises(ScmambaError, match="needs pynndescent: pip install pynndescent"):
        model.reverse(pd.Series(1.0, GENES), change=True, search="approximate")
