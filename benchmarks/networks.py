"""Gene networks of blood cells against what is known of targets, beside plain methods.

    python benchmarks/networks.py CELLS.h5ad DOROTHEA.csv.gz TFS.txt --screen FILE KEY CONTROL

Known are DoRothEA's targets (A to C) and, with ``--screen``, genes that a measured knock-out
changes in other cells (two-sided z-test, FDR below .05), which no method sees. Every method ranks
the same pairs of a factor and a gene. AUPRC is over all pairs whose factor has known targets;
early precision is that of as many pairs as are known. Both are also given as a multiple of
chance. Trees are random forests of each gene on all factors, as GENIE3 has them. A run that was
stopped goes on.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import provenance, write
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import average_precision_score

from scmamba.tasks import gene_network, perturb

METHODS = ("knockout", "gradient", "embedding", "correlation")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "scikit-learn", "scanpy", "anndata", "numpy")


@dataclass
class Truth:
    """Known pairs of a regulator and a target, among ``genes``; None: among all."""

    edges: pd.DataFrame
    genes: set[str] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cells", "known", "factors"):
        parser.add_argument(name)
    parser.add_argument("--screen", nargs=3, help="file, obs column of knock-outs, control")
    parser.add_argument("--runs", type=Path, default=Path("network-runs.csv"))
    parser.add_argument("--genes", type=int, default=600, help="targets: the most variable genes")
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    truths = {"DoRothEA": dorothea(args.known)}
    if args.screen:
        truths[Path(args.screen[0]).stem] = measured(*args.screen)
    factors = Path(args.factors).read_text().split()
    factors = sorted(
        {*factors, *(r for t in truths.values() if t.genes for r in t.edges.regulator)}
    )
    cells = frequent(ad.read_h5ad(args.cells), factors, args.genes, truths)
    factors = [one for one in factors if one in cells.var_names]
    what = {"cells": Path(args.cells).name, "genes": args.genes, "trees": args.trees}
    what["truths"] = ", ".join(truths)
    table = pd.read_csv(args.runs) if args.runs.exists() else pd.DataFrame()
    if len(table) and any((table[key] != value).any() for key, value in what.items()):
        raise SystemExit(f"{args.runs} holds runs on other cells or genes; give another --runs")
    for seed in args.seeds:
        for method in (*METHODS, "trees"):
            if len(table) and ((table["method"] == method) & (table["seed"] == seed)).any():
                continue
            start = time.process_time()
            if method == "trees":
                weights = trees(cells, factors, args.trees, seed)
            else:
                weights = gene_network(
                    cells, None, factors, method, missing="skip", seed=seed
                ).weights
            spent = {"method": method, "seed": seed, "cpu_seconds": time.process_time() - start}
            rows = [{**what, "truth": k, **spent, **scores(weights, t)} for k, t in truths.items()]
            table = pd.concat([table, pd.DataFrame(rows)])
            table.to_csv(args.runs, index=False)
    shown = table[table["seed"].isin(args.seeds)].drop(columns=[*what, "seed"])
    means = shown.groupby(["truth", "method"]).mean().sort_values("auprc", ascending=False).round(4)
    content = {**what, "n_cells": cells.n_obs, "n_factors": len(factors), "seeds": args.seeds}
    content["rows"] = {name: means.loc[name].to_dict("index") for name in truths}
    for name in truths:
        print(f"\n{name}\n{means.loc[name]}")
    write(RESULTS / "networks.json", content | provenance(PACKAGES))


def dorothea(path: str) -> Truth:
    """Table of factors and targets, whatever the column of factors is called."""
    known = pd.read_csv(path)
    names = {"tf": "regulator", "source": "regulator"}
    return Truth(known.rename(columns={k: v for k, v in names.items() if k in known}))


def measured(path: str, key: str, control: str) -> Truth:
    """Genes that each knock-out of a screen changes, but itself."""
    table = perturb(ad.read_h5ad(path), key, control, gene_embeddings=None).table
    z = table.effects / np.maximum(table.errors, 1e-12)
    edges = [
        (regulator, target)
        for (regulator,), row in zip(table.perturbations, z, strict=True)
        for target in table.genes[
            stats.false_discovery_control(2 * stats.norm.sf(np.abs(row))) < 0.05
        ]
        if target != regulator
    ]
    return Truth(pd.DataFrame(edges, columns=["regulator", "target"]), set(table.genes))


def frequent(cells: ad.AnnData, factors: list[str], n: int, truths: dict[str, Truth]) -> ad.AnnData:
    """Factors that 5 % of the cells express, the ``n`` most variable genes, and a screen's."""
    values = lognorm(cells)
    share = np.asarray((values > 0).mean(0)).ravel()
    spread = values.toarray().std(0)
    is_factor = cells.var_names.isin(factors) & (share >= 0.05)
    others = np.where(is_factor, -1, spread)
    screened = {gene for truth in truths.values() for gene in truth.genes or ()}
    screened = np.flatnonzero(cells.var_names.isin(list(screened)) & (share >= 0.05))
    chosen = np.union1d(np.flatnonzero(is_factor), np.argsort(-others)[:n])
    chosen = np.union1d(chosen, screened)
    return cells[:, chosen].copy()


def lognorm(cells: ad.AnnData):
    total = np.asarray(cells.X.sum(1)).ravel()
    scaled = cells.X.multiply(1e4 / np.maximum(total, 1)[:, None]).tocsr()
    return scaled.log1p()


def trees(cells: ad.AnnData, factors: list[str], n_trees: int, seed: int) -> pd.DataFrame:
    values = pd.DataFrame(lognorm(cells).toarray(), columns=cells.var_names)
    weights = pd.DataFrame(np.nan, factors, list(cells.var_names))
    for gene in weights.columns:
        own = [one for one in factors if one != gene]
        forest = RandomForestRegressor(n_trees, max_features="sqrt", random_state=seed, n_jobs=1)
        forest.fit(values[own], values[gene])
        weights.loc[own, gene] = forest.feature_importances_
    return weights


def scores(weights: pd.DataFrame, known: Truth) -> dict[str, float]:
    """AUPRC and early precision of absolute weights over pairs of factors with known targets."""
    pairs = set(zip(known.edges["regulator"], known.edges["target"], strict=True))
    if known.genes is not None:
        weights = weights.loc[:, weights.columns.isin(list(known.genes))]
    flat = weights.stack().dropna()
    truth = np.array([pair in pairs for pair in flat.index])
    inside = flat.index.get_level_values(0).isin({pair[0] for pair in flat.index[truth]})
    truth, score = truth[inside], flat.abs().to_numpy()[inside]
    k, chance = int(truth.sum()), truth.mean()
    early = truth[np.argsort(-score, kind="stable")[:k]].mean()
    area = average_precision_score(truth, score)
    ratios = {"auprc_ratio": area / chance, "early_ratio": early / chance}
    return {"auprc": area, "early_precision": early, "n_known": k, "n_pairs": len(truth), **ratios}


if __name__ == "__main__":
    main()
