"""Clusters take the label of most of their cells."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba._errors import ScmambaError
from scmamba.tasks._annotation import voting
from tests.tasks.tiny import annotate


def test_majority_by_hand() -> None:
    labels = ["B", "B", "NK", "B", "unknown", "NK", "NK"]
    clusters = np.array(["x", "x", "x", "y", "y", "z", None], dtype=object)
    found = voting.majority(labels, clusters)
    assert found.tolist() == ["B", "B", "B", "unknown", "unknown", "NK", "NK"]


def test_clusters_of_separate_groups_are_not_mixed() -> None:
    pytest.importorskip("igraph")
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 60)
    coordinates = 20.0 * np.eye(3)[group] + rng.normal(size=(180, 3))
    clusters = voting.over_cluster(coordinates, seed=0)
    assert all(len(set(group[clusters == c])) == 1 for c in set(clusters))
    np.testing.assert_array_equal(clusters, voting.over_cluster(coordinates, seed=0))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_very_few_cells(n) -> None:
    pytest.importorskip("igraph")
    assert len(voting.over_cluster(np.arange(2.0 * n).reshape(n, 2), seed=0)) == n


def test_a_column_of_clusters(fitted, cells) -> None:
    cells.obs["mine"] = np.where(np.arange(90) % 2, "odd", "even")
    cells.obs.loc[cells.obs_names[:3], "mine"] = None
    annotate(cells, model=fitted[1], majority_voting="mine")
    voted, own = (cells.obs[f"scmamba_{name}"] for name in ("majority_voting", "cell_type"))
    assert (voted.astype(str) == own.astype(str))[:3].all()
    for name in ("odd", "even"):
        rows = (cells.obs["mine"] == name).to_numpy()
        share = own[rows].value_counts(normalize=True)
        expected = share.index[0] if share.iloc[0] > 0.5 else "unknown"
        assert set(voted[rows]) == {expected}


def test_clusters_are_made(fitted, cells) -> None:
    pytest.importorskip("igraph")
    annotate(cells, model=fitted[1], majority_voting=True)
    assert cells.obs["scmamba_majority_voting"].notna().all()


def test_a_missing_column_or_package_is_told_before_anything_runs(
    fitted, cells, monkeypatch, assert_untouched
) -> None:
    before = cells.copy()
    with pytest.raises(ScmambaError, match="majority_voting='louvain'"):
        annotate(cells, model=fitted[1], majority_voting="louvain")
    monkeypatch.setattr(voting, "find_spec", lambda name: None)
    with pytest.raises(ScmambaError, match="pip install igraph"):
        annotate(cells, model=fitted[1], majority_voting=True)
    assert_untouched(cells, before)
