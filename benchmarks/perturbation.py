"""Effects of perturbations that were held out, by scmamba and by plain baselines.

    python benchmarks/perturbation.py kang kang_full papalexi replogle op3 --seeds 0 1 2

Test rows are removed before any method runs; settings are chosen inside the rest. A run that was
stopped goes on; delete a method's files in --runs to run it anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from _results import provenance, write

from scmamba import settings
from scmamba.benchmark import PERTURBATION_METHODS, PerturbationBenchmark, perturbation

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "scikit-learn", "scanpy", "anndata", "numpy")
KANG = {"pert_key": "condition", "cell_type_key": "cell_type", "split": "cell_type"}
SETS: dict[str, dict[str, Any]] = {
    "kang": {"file": "perturb/kang_ifnb.h5ad", "control": "control", **KANG},
    "kang_full": {"file": "perturb/kang_ifnb_full.h5ad", "control": "ctrl", **KANG},
    "papalexi": {
        "file": "perturb/papalexi_eccite.h5ad",
        "pert_key": "target",
        "control": "non-targeting",
    },
    "replogle": {
        "file": "signatures/replogle_essential_top1000up.h5ad",
        "pert_key": "perturbation",
        "cell_type_key": "context",
        "effects": True,
        "n_folds": 5,
    },
    "op3": {
        "file": "signatures/op3_neurips2023_rank.h5ad",
        "pert_key": "perturbation",
        "cell_type_key": "context",
        "effects": True,
        "split": "pair",
        "n_folds": 5,
    },
}
EFFECTIVE = ["IFNGR1", "IFNGR2", "JAK2", "STAT1", "IRF1", "SMAD4", "STAT2", "CUL3", "BRD4"]
"""Knock-outs of papalexi whose effect two halves of the cells agree on (r at least .4)."""
OURS = PERTURBATION_METHODS["scmamba"].title
SHOWN = {
    "pearson_delta": "Pearson, all genes",
    "pearson_delta_top": "Pearson, top 100",
    "mse": "MSE x 1,000",
    "energy_distance": "energy distance",
    "reverse_rank": "reverse rank",
    "seconds": "seconds",
    "cpu_seconds": "processor seconds",
}


def compare(
    name: str, data: Path, runs: Path, seeds: list[int], methods: list[str] | None
) -> PerturbationBenchmark:
    """Run one data set, as far as its runs are not there yet."""
    options = dict(SETS[name])
    adata = ad.read_h5ad(data / options.pop("file"))
    return perturbation(adata, output=runs / name, seeds=seeds, methods=methods, **options)


def summary(scores: pd.DataFrame, costs: pd.DataFrame, score: str) -> pd.DataFrame:
    """Means over perturbations and seeds, one row per method; seconds are means over seeds.

    ``gain`` is the mean of ``score`` of scmamba minus that of the method, with its 95 % interval
    by a bootstrap over what was held out.
    """
    columns = [name for name in SHOWN if name in scores]
    table = scores.groupby("method", sort=False)[columns].mean()
    table["mse"] *= 1000
    spent = costs.groupby("method", sort=False)[["seconds", "cpu_seconds"]].mean()
    table = table.join(spent).sort_values("pearson_delta", ascending=False)
    units = scores.groupby(["context", "perturbation", "method"], sort=False)[score].mean()
    wide = units.unstack("method").reindex(columns=table.index)
    if OURS in wide:
        gain = (-wide).add(wide[OURS], axis=0).dropna(axis=1)
        draws = np.random.default_rng(0).integers(len(gain), size=(2000, len(gain)))
        low, high = np.quantile(gain.to_numpy()[draws].mean(1), [0.025, 0.975], axis=0)
        parts = {"gain": gain.mean(), "gain_low": low, "gain_high": high}
        table = table.join(pd.DataFrame(parts, gain.columns).drop(index=OURS))
    return table


def headline(name: str) -> str:
    """Score whose differences are shown: over all genes but for one condition in many types."""
    return "pearson_delta_top" if name.startswith("kang") else "pearson_delta"


def parts_of(name: str, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows that are reported apart."""
    if name == "papalexi":
        known = scores["perturbation"].isin(EFFECTIVE)
        return {"papalexi, the nine with an effect": scores[known], "papalexi, all 25": scores}
    if name == "replogle":
        return {f"replogle, {one}": part for one, part in scores.groupby("context", sort=False)}
    return {name: scores}


def methods_of(name: str, chosen: argparse.Namespace) -> list[str] | None:
    """Named methods; with ``--network`` all that apply, the networks included."""
    if not chosen.network:
        return list(chosen.methods) if chosen.methods else None
    effects = SETS[name].get("effects", False)
    return [n for n, m in PERTURBATION_METHODS.items() if not (effects and m.needs_cells)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", choices=SETS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("perturbation-runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--network", action="store_true", help="all methods and both networks")
    chosen = parser.parse_args()
    settings.verbosity = "warning"
    for name in chosen.sets:
        found = compare(name, chosen.data, chosen.runs, chosen.seeds, methods_of(name, chosen))
        tables = {
            title: summary(part, found.costs, headline(name))
            for title, part in parts_of(name, found.scores).items()
        }
        for title, table in tables.items():
            print(
                f"\n{title}\n{table.rename(columns=SHOWN).to_string(float_format='{:.4f}'.format)}"
            )
        if found.ceiling is not None:
            print(f"split halves: {found.ceiling.get('pearson_delta'):.4f}")
        kept = {title: table.round(5).astype(object) for title, table in tables.items()}
        content = {
            "tables": {t: one.where(one.notna(), None).to_dict("index") for t, one in kept.items()},
            "seeds": chosen.seeds,
            "headline": headline(name),
            "ceiling": None if found.ceiling is None else found.ceiling.round(5).to_dict(),
            **provenance(PACKAGES),
        }
        write(RESULTS / f"perturbation_{name}.json", content)


if __name__ == "__main__":
    main()
