"""The comparison of predicted perturbation effects."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from scmamba import benchmark, metrics
from scmamba._errors import ScmambaError
from scmamba.benchmark._perturbation.problem import read_problem
from scmamba.benchmark._perturbation.reverse_ranks import reverse_ranks
from scmamba.benchmark._perturbation.scores import effect_scores, true_changes
from scmamba.benchmark._perturbation.split import held_out, split_of

CHEAP = ["no_change", "mean", "additive"]


def cells(seed=0, n=480):
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {
            "target": np.array(["NT", "g0", "g1", "g0+g1", "g2", "ctrl+g3"])[np.arange(n) % 6],
            "type": np.array(["T", "NK"])[np.arange(n) // 6 % 2],
            "donor": np.array(["d1", "d2", "d3"])[np.arange(n) // 12 % 3],
        },
        index=[f"c{i}" for i in range(n)],
    )
    rate = np.full((n, 20), 2.0)
    for i in range(4):
        rate[obs["target"].str.contains(f"g{i}").to_numpy(), i] = 0.2
    return anndata.AnnData(
        rng.poisson(rate).astype(np.float32),
        obs=obs,
        var=pd.DataFrame(index=[f"g{i}" for i in range(20)]),
    )


def profiles(seed=0):
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {"drug": [f"drug{i % 8}" for i in range(16)], "line": ["a"] * 8 + ["b"] * 8},
        index=[str(i) for i in range(16)],
    )
    x = (rng.normal(size=(8, 30))[np.arange(16) % 8] + rng.normal(size=(16, 30))).astype(np.float32)
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(30)]))


@pytest.mark.parametrize(
    ("kind", "keys", "n_folds"),
    [
        ("perturbation", ["type"], 4),
        ("cell_type", ["type"], 2),
        ("donor", ["type", "donor"], 3),
        ("pair", ["type"], 10),
    ],
)
def test_what_is_predicted_is_hidden(kind, keys, n_folds):
    problem = read_problem(cells(), "target", "NT", keys, effects=False, min_cells=5)
    folds = held_out(problem, kind, None, 0)
    assert len(folds) == n_folds
    for name, requests in folds.items():
        split = split_of(problem, kind, name, requests)
        left = set(zip(split.train.obs["context"], split.train.obs["perturbation"], strict=True))
        assert not left & set(requests)
        assert {context for context, _ in requests} <= {c for c, p in left if p == "control"}
        if kind == "perturbation":
            targets = {target for _, label in requests for target in label.split("+")}
            assert not any(targets & set(label.split("+")) for _, label in left)
    predicted = [key for requests in folds.values() for key in requests]
    assert len(predicted) == len(set(predicted))


def test_random_folds_are_seeded():
    problem = read_problem(profiles(), "drug", None, ["line"], effects=True, min_cells=1)
    first = held_out(problem, "perturbation", 4, 0)
    assert first == held_out(problem, "perturbation", 4, 0)
    assert first != held_out(problem, "perturbation", 4, 1)
    for requests in first.values():  # a drug is held out in both lines
        assert len(requests) == 4 and len({label for _, label in requests}) == 2


def test_combinations_are_predicted_from_singles(tmp_path):
    data = cells()
    data.obs["target"] = data.obs["target"].replace({"ctrl+g3": "g2_g0"})
    found = benchmark.perturbation(
        data,
        "target",
        "NT",
        split="combination",
        output=tmp_path,
        methods=CHEAP,
        seeds=[0],
        cell_type_key="type",
    )
    assert set(found.scores["perturbation"]) == {"g0+g1", "g0+g2"}
    assert found.summary.index[0] == "additive"
    errors = found.by_perturbation["mse"].xs("g0+g1", level="perturbation")
    assert errors["additive"].mean() < errors["no change"].mean()
    assert found.summary.loc["additive", "energy_distance"] > 0
    assert np.isnan(found.summary.loc["no change", "pearson_delta"])
    table = found.interval("mse")
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()


def test_a_stopped_benchmark_goes_on(tmp_path):
    data = cells()
    options = {"output": tmp_path, "seeds": [0, 1], "methods": ["mean", "latent_shift"]}
    first = benchmark.perturbation(data, "target", "NT", **options)
    folds = json.loads((tmp_path / "folds__0.json").read_text())["folds"]
    assert sorted(folds) == ["g0", "g1", "g2", "g3"]
    one = tmp_path / "latent_shift__1__2.json"
    one.unlink()
    kept = (tmp_path / "mean__0__0.json").stat().st_mtime_ns
    again = benchmark.perturbation(data, "target", "NT", **options)
    assert one.exists() and (tmp_path / "mean__0__0.json").stat().st_mtime_ns == kept
    pd.testing.assert_frame_equal(first.scores, again.scores)
    data.X[0, 0] += 1
    with pytest.raises(ScmambaError, match="another run"):
        benchmark.perturbation(data, "target", "NT", **options)


def test_effects_by_pair_and_all_methods(tmp_path):
    found = benchmark.perturbation(
        profiles(),
        "drug",
        effects=True,
        split="pair",
        cell_type_key="line",
        output=tmp_path,
        seeds=[0],
        n_folds=4,
    )
    assert found.ceiling is None
    usual = [m for m in benchmark.PERTURBATION_METHODS.values() if not m.named_only]
    assert len(found.scores) == 16 * (len(usual) - 1)
    elsewhere = found.summary.loc["mean change elsewhere", "pearson_delta"]
    assert elsewhere > found.summary.loc["mean effect", "pearson_delta"]
    one = found.scores[found.scores["method"] == "mean change elsewhere"].iloc[0]
    x = profiles().X
    row = int(one["perturbation"].removeprefix("drug"))
    assert one["pearson_delta"] == pytest.approx(np.corrcoef(x[row], x[row + 8])[0, 1], abs=1e-5)


def test_scores_of_profiles_are_those_of_the_metrics():
    problem = read_problem(cells(), "target", "NT", ["type"], effects=False, min_cells=1)
    changes = 0.5 * true_changes(problem, problem.keys)
    found = effect_scores(problem, problem.keys, changes)
    controls = problem.table.control_of([context for context, _ in problem.keys])
    profiles = pd.DataFrame(controls + changes, found.index, problem.adata.var_names)
    expected = metrics.perturbation(
        problem.adata, profiles, "perturbation", "control", context_key="context"
    )
    for name in ("mse", "pearson_delta", "pearson_delta_top"):
        np.testing.assert_allclose(found[name], expected.table.loc[found.index, name])


@pytest.mark.parametrize(
    ("prediction", "rank"),
    [(1.0, 1.0), (0.0, 8.0), (-1.0, 8.0)],
    ids=["the truth", "nothing", "the opposite"],
)
def test_the_rank_in_reverse_search_is_that_of_the_predicted_change(prediction, rank):
    data = profiles()
    rng = np.random.default_rng(1)
    data.X = (rng.normal(size=30) + 0.5 * rng.normal(size=(16, 30))).astype(np.float32)
    problem = read_problem(data, "drug", None, ["line"], effects=True, min_cells=1)
    keys = [("a", "drug3"), ("b", "drug0")]
    parts = {"first": keys[:1], "second": keys[1:]}
    changes = prediction * true_changes(problem, keys)
    np.testing.assert_array_equal(reverse_ranks(problem, parts, changes), rank)
    alone = read_problem(data[:2].copy(), "drug", None, [], effects=True, min_cells=1)
    assert np.isnan(
        reverse_ranks(alone, {"all": alone.keys}, true_changes(alone, alone.keys))
    ).all()


def rank_of_one(problem, fold, key, changes):
    """Rank of one perturbation: one candidate after the other, its own genes dropped."""
    genes = problem.adata.var_names
    truth = dict(zip(problem.keys, true_changes(problem, problem.keys), strict=True))
    predicted = dict(zip(fold, changes, strict=True))
    scores = {}
    for other in problem.keys:
        if other[0] == key[0]:
            kept = ~genes.isin(other[1].split("+"))
            effect = predicted.get(other, truth[other])[kept]
            scores[other] = np.corrcoef(truth[key][kept], effect)[0, 1].round(12)
    own = scores.pop(key)
    return 1 + sum((score > own) + 0.5 * (score == own) for score in scores.values())


@pytest.mark.parametrize("effects", [False, True], ids=["cells", "effects"])
def test_ranks_in_reverse_search_are_those_of_one_candidate_after_the_other(effects):
    if effects:
        problem = read_problem(profiles(), "drug", None, ["line"], effects=True, min_cells=1)
        problem.adata.var_names = [f"drug{i}" for i in range(30)]  # so that each has its own gene
    else:
        problem = read_problem(cells(), "target", "NT", ["type"], effects=False, min_cells=5)
    keys = [problem.keys[i] for i in np.random.default_rng(0).permutation(len(problem.keys))]
    parts = {"first": keys[:5], "second": keys[5:]}
    changes = true_changes(problem, keys)
    changes += np.random.default_rng(1).normal(0, 3 * changes.std(), changes.shape)
    changes[1:4] = changes[0]  # as methods do that predict one mean for all
    expected = [rank_of_one(problem, keys[:5], key, changes[:5]) for key in keys[:5]]
    expected += [rank_of_one(problem, keys[5:], key, changes[5:]) for key in keys[5:]]
    np.testing.assert_array_equal(reverse_ranks(problem, parts, changes), expected)
    assert len(set(expected)) > 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["gears"]}, "method 'gears'; allowed"),
        ({"split": "random"}, "split='random'; allowed"),
        ({"split": "cell_type"}, "needs cell_type_key"),
        ({"split": "donor"}, "needs donor_key"),
        ({"control": "NTC"}, "similar or first values: NT"),
        ({"control": None}, "control=None"),
        ({"seeds": []}, "at least one seed"),
        ({"n_folds": 1}, "n_folds=1"),
        ({"split": "combination"}, "two or more combinations"),
        ({"pert_key": "guide"}, "pert_key='guide'"),
        ({"effects": True, "methods": ["latent_shift"]}, "needs cells"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value)),
)
def test_bad_input_is_refused_before_any_work(tmp_path, options, message):
    given = {"pert_key": "target", "control": "NT", "output": tmp_path / "runs"} | options
    with pytest.raises(ScmambaError, match=message):
        benchmark.perturbation(cells(), **given)
    assert not (tmp_path / "runs").exists()
