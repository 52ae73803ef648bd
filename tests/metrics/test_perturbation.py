"""Scores of predicted perturbations against plain loops and what they must not reward."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, pearsonr

from scmamba import ScmambaError
from scmamba.metrics import perturbation
from scmamba.metrics._perturbation.distances import energy_distance, mmd
from scmamba.metrics._perturbation.expression import differential_expression, gene_scores
from scmamba.metrics._perturbation.profiles import centroid_scores, discrimination

GENES = [f"g{i}" for i in range(12)]


def screen(rng: np.random.Generator, contexts: tuple[str, ...] = ("T",)) -> ad.AnnData:
    """Log-normalized cells of a small screen: each perturbation shifts genes of its own."""
    cells, obs = [], []
    for c, context in enumerate(contexts):
        for p, name in enumerate(["control", "g0", "g1", "g0+g1"]):
            mean = 4.0 + np.arange(len(GENES)) + 3 * c
            mean[p : p + 3] *= 1 + 2 * (p > 0)
            cells.append(rng.poisson(mean, (15, len(GENES))))
            obs += [(name, context)] * 15
    counts = np.concatenate(cells).astype(np.float32)
    made = ad.AnnData(np.log1p(counts / counts.sum(1, keepdims=True) * 1e4))
    made.var_names, made.obs_names = GENES, [f"c{i}" for i in range(len(obs))]
    made.obs[["pert", "context"]] = obs
    made.layers["counts"] = counts
    return made


def of(adata: ad.AnnData, name: str) -> np.ndarray:
    return np.asarray(adata.X[(adata.obs["pert"] == name).to_numpy()], np.float64)


@pytest.fixture
def real(rng: np.random.Generator) -> ad.AnnData:
    return screen(rng)


@pytest.fixture
def predicted() -> ad.AnnData:
    made = screen(np.random.default_rng(1))
    return made[made.obs["pert"] != "control"].copy()


def test_profile_scores_match_plain_loops(real: ad.AnnData, predicted: ad.AnnData) -> None:
    table = perturbation(real, predicted, "pert", "control", n_top=4).table
    control = of(real, "control").mean(0)
    for name in ("g0", "g1", "g0+g1"):
        x, y = of(predicted, name).mean(0), of(real, name).mean(0)
        row = table.loc[("", name)]
        assert row["mae"] == pytest.approx(np.mean([abs(a - b) for a, b in zip(x, y, strict=True)]))
        assert row["mse"] == row["mse_delta"] == pytest.approx(np.mean((x - y) ** 2))
        assert row["pearson_delta"] == pytest.approx(pearsonr(x - control, y - control).statistic)
        top = sorted(range(12), key=lambda g: -abs((y - control)[g]))[:4]
        expected = pearsonr((x - control)[top], (y - control)[top]).statistic
        assert row["pearson_delta_top"] == pytest.approx(expected)
        assert row["energy_distance"] == pytest.approx(
            energy_distance(of(real, name), of(predicted, name)), rel=1e-4
        )


def test_a_perfect_prediction_is_best_on_every_metric(real: ad.AnnData) -> None:
    summary = perturbation(real, real, "pert", "control").summary["mean"]
    zero = ["mae", "mse", "mae_delta", "mse_delta", "mse_top", "energy_distance", "mmd"]
    assert summary[zero].abs().max() < 1e-6
    assert summary.drop(zero).dropna().to_numpy() == pytest.approx(1.0)


def test_predicted_controls_change_nothing(real: ad.AnnData, predicted: ad.AnnData) -> None:
    twisted = real[real.obs["pert"] == "control"].copy()
    twisted.X = np.asarray(twisted.X)[:, ::-1].copy()
    both = ad.concat([predicted, twisted])
    plain = perturbation(real, predicted, "pert", "control")
    pd.testing.assert_frame_equal(perturbation(real, both, "pert", "control").table, plain.table)


def test_the_order_of_genes_and_cells_changes_nothing(
    real: ad.AnnData, predicted: ad.AnnData, rng: np.random.Generator
) -> None:
    plain = perturbation(real, predicted, "pert", "control").table
    mixed = predicted[rng.permutation(predicted.n_obs), rng.permutation(12)].copy()
    found = perturbation(real, mixed, "pert", "control").table
    pd.testing.assert_frame_equal(found, plain, rtol=1e-5)


def test_counts_are_scored_as_their_logarithms(rng: np.random.Generator) -> None:
    logs = screen(rng)
    counts = logs.copy()
    counts.X = logs.layers["counts"]
    tables = [perturbation(a, a, "pert", "control").table for a in (counts, logs)]
    pd.testing.assert_frame_equal(*tables, atol=1e-5)


def test_profiles_give_the_scores_of_the_same_cells(
    real: ad.AnnData, predicted: ad.AnnData
) -> None:
    names = ["g1", "g0+g1", "g0"]
    profiles = pd.DataFrame([of(predicted, n).mean(0) for n in names], names, GENES)
    cells = perturbation(real, predicted, "pert", "control").table
    table = perturbation(real, profiles[GENES[::-1]], "pert", "control").table
    pd.testing.assert_frame_equal(table, cells[table.columns], rtol=1e-5)
    assert "energy_distance" not in table


def test_baselines_and_the_ceiling_stand_beside_each_score(
    real: ad.AnnData, predicted: ad.AnnData
) -> None:
    still = pd.DataFrame([of(real, "control").mean(0)] * 3, ["g0", "g1", "g0+g1"], GENES)
    scores = perturbation(real, predicted, "pert", "control", baselines={"no change": still})
    summary = scores.summary
    assert list(summary.columns) == ["mean", "low", "high", "no change", "ceiling"]
    row = summary.loc["mse"]
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["ceiling"] < row["no change"]
    assert np.isnan(summary.loc["energy_distance", "no change"])
    assert "3 perturbations" in str(scores)


def test_ranks_stay_within_a_context() -> None:
    rng = np.random.default_rng(0)
    real = screen(rng, ("T", "B"))
    both = perturbation(real, real, "pert", "control", context_key="context").table
    alone = perturbation(
        real[real.obs["context"] == "T"], real, "pert", "control", context_key="context"
    ).table
    pd.testing.assert_frame_equal(both.loc[["T"]], alone, rtol=1e-5)
    assert set(both.index.get_level_values("context")) == {"T", "B"}


def test_discrimination_is_signed_and_leaves_the_target_out() -> None:
    change = np.array([[5.0, 1, 0], [5.0, -1, 0], [5.0, 0, 3]])
    none = [np.array([], int)] * 3
    assert discrimination(change, change, none)["discrimination_score_l1"].tolist() == [1, 1, 1]
    worst = discrimination(change, -change, none)["discrimination_score_cosine"]
    assert (worst < 1).all()
    rng = np.random.default_rng(0)
    real, guess = rng.normal(size=(2, 5, 9))
    targets = [np.array([i]) for i in range(5)]
    before = discrimination(real, guess, targets)
    guess[np.arange(5), np.arange(5)] = -50
    after = discrimination(real, guess, targets)
    assert all((before[name] == after[name]).all() for name in before)


def test_discrimination_is_that_of_fewer_columns() -> None:
    rng = np.random.default_rng(0)
    real, guess = rng.normal(size=(2, 6, 9))
    targets = [np.array([0]), np.array([2, 3]), *[np.array([], int)] * 4]
    found = discrimination(real, guess, targets)
    for i, target in enumerate(targets):
        fewer, own = np.delete(real, target, 1), np.delete(guess[i], target)
        for name, norm in (("l1", 1), ("l2", 2)):
            distance = np.linalg.norm(fewer - own, norm, axis=1)
            rank = (distance < distance[i]).sum()
            assert found[f"discrimination_score_{name}"][i] == pytest.approx(1 - rank / 6)
        cosine = fewer @ own / np.linalg.norm(fewer, axis=1)
        rank = (cosine > cosine[i]).sum()
        assert found["discrimination_score_cosine"][i] == pytest.approx(1 - rank / 6)
    guess[1] = 0
    guess[1, 2] = 7.7  # nothing is left of it: all angles are alike
    found = discrimination(real, guess, targets)
    assert found["discrimination_score_cosine"][1] == pytest.approx(1 - 2.5 / 6)


def test_ties_count_half() -> None:
    change = np.eye(4)
    found = discrimination(change, np.zeros((4, 4)), [np.array([], int)] * 4)
    assert found["discrimination_score_l1"] == pytest.approx(1 - 1.5 / 4)
    assert centroid_scores(change, np.zeros((4, 4)))["centroid_accuracy"] == pytest.approx(0.5)


def test_what_all_perturbations_share_scores_nothing_against_their_centroid() -> None:
    rng = np.random.default_rng(0)
    real = 3 + rng.normal(size=(5, 40))
    shared = np.tile(real.mean(0), (5, 1)) + 1e-9 * rng.normal(size=(5, 40))
    assert np.abs(centroid_scores(real, shared)["pearson_centroid"]).mean() < 0.4
    assert centroid_scores(real, real)["pearson_centroid"] == pytest.approx(1)


def test_differential_expression_is_scipys_with_benjamini_hochberg(
    rng: np.random.Generator,
) -> None:
    cells, control = rng.poisson(3, (20, 6)) + 0.0, rng.poisson(2, (30, 6)) + 0.0
    found = differential_expression(cells, control)
    p = [mannwhitneyu(cells[:, g], control[:, g]).pvalue for g in range(6)]
    order = np.argsort(p)
    slow = [min(p[order[j]] * 6 / (j + 1) for j in range(i, 6)) for i in range(6)]
    assert found.fdr[order] == pytest.approx(np.minimum(slow, 1))
    ratio = np.expm1(cells).mean(0) / np.expm1(control).mean(0)
    assert found.log2_fold_change == pytest.approx(np.log2(ratio))


def test_gene_scores_of_sign_and_overlap(rng: np.random.Generator) -> None:
    control = np.abs(rng.normal(1, 0.1, (40, 8)))
    cells = control.copy()
    cells[:, 0] += 1.0
    cells[:, 1] -= 0.5
    real = differential_expression(cells, control)
    assert set(real.ranked) == {0, 1}
    opposite = control.copy()
    opposite[:, 0] -= 0.5
    opposite[:, 1] += 1.0
    wrong = gene_scores(real, differential_expression(opposite, control))
    assert wrong["de_direction_match"] == 0
    assert wrong["overlap_at_N"] == wrong["de_sig_genes_recall"] == 1
    still = gene_scores(real, differential_expression(control, control))
    assert still["overlap_at_N"] == still["precision_at_N"] == 0
    assert still["roc_auc"] == pytest.approx(0.5)


def test_distances_match_plain_loops(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    mean = lambda a, b: np.mean([[np.linalg.norm(p - q) for q in b] for p in a])  # noqa: E731
    assert energy_distance(x, y) == pytest.approx(2 * mean(x, y) - mean(x, x) - mean(y, y))
    assert mmd(x, x) == pytest.approx(0)
    assert mmd(x, y + 5) > mmd(x, y) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.obs.drop(columns="pert", inplace=True), "pert"),
        (lambda a: a.obs.replace({"control": "ctrl"}, inplace=True), "control='control'.*ctrl"),
        (lambda a: a.obs.replace({"g0": "x", "g1": "y", "g0+g1": "z"}, inplace=True), "measured"),
    ],
    ids=["no column", "no control", "nothing in common"],
)
def test_data_that_cannot_be_scored(
    real: ad.AnnData, predicted: ad.AnnData, change, message: str
) -> None:
    change(real)
    with pytest.raises(ScmambaError, match=message):
        perturbation(real, predicted, "pert", "control")


def test_predictions_that_cannot_be_scored(real: ad.AnnData, predicted: ad.AnnData) -> None:
    with pytest.raises(ScmambaError, match="1 of 12 measured genes"):
        perturbation(real, predicted[:, :11], "pert", "control")
    bad = predicted.copy()
    bad.X[0, 0] = np.nan
    with pytest.raises(ScmambaError, match="NaN or infinite"):
        perturbation(real, bad, "pert", "control")
    few = predicted[predicted.obs["pert"] == "g0"]
    with pytest.raises(ScmambaError, match="not predicted.*g1"):
        perturbation(real, predicted, "pert", "control", baselines={"few": few})
    with pytest.raises(ScmambaError, match="n_top=1"):
        perturbation(real, predicted, "pert", "control", n_top=1)
