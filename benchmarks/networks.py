"""Gene networks of blood cells against known targets (DoRothEA A to C), beside plain methods.

    python benchmarks/networks.py CELLS.h5ad DOROTHEA.csv.gz TFS.txt

Every method ranks the same pairs of a factor and a gene. AUPRC is over all pairs whose factor has
known targets; early precision is that of as many pairs as are known. Both are also given as a
multiple of chance. Trees are random forests of each gene on all factors, as GENIE3 has them. A run
that was stopped goes on.
"""

import argparse
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import provenance, write
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import average_precision_score

from scmamba.tasks import gene_network

METHODS = ("knockout", "gradient", "embedding", "correlation")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "scikit-learn", "scanpy", "anndata", "numpy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cells", "known", "factors"):
        parser.add_argument(name)
    parser.add_argument("--runs", type=Path, default=Path("network-runs.csv"))
    parser.add_argument("--genes", type=int, default=600, help="targets: the most variable genes")
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    cells = ad.read_h5ad(args.cells)
    known = pd.read_csv(args.known)
    names = {"tf": "regulator", "source": "regulator"}
    known = known.rename(columns={k: v for k, v in names.items() if k in known})
    factors = Path(args.factors).read_text().split()
    cells = frequent(cells, factors, args.genes)
    factors = [one for one in factors if one in cells.var_names]
    what = {"cells": Path(args.cells).name, "genes": args.genes, "trees": args.trees}
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
            spent = round(time.process_time() - start, 1)
            row = {**what, "method": method, "seed": seed, **scores(weights, known)}
            table = pd.concat([table, pd.DataFrame([row | {"cpu_seconds": spent}])])
            table.to_csv(args.runs, index=False)
    shown = table[table["seed"].isin(args.seeds)].drop(columns=[*what, "seed"])
    means = shown.groupby("method").mean().sort_values("auprc", ascending=False).round(4)
    print(means)
    content = {**what, "n_cells": cells.n_obs, "n_factors": len(factors), "seeds": args.seeds}
    content |= {"rows": means.to_dict("index"), **provenance(PACKAGES)}
    write(RESULTS / "networks.json", content)


def frequent(cells: ad.AnnData, factors: list[str], n: int) -> ad.AnnData:
    """Factors that 5 % of the cells express, and the ``n`` most variable other genes."""
    values = lognorm(cells)
    share = np.asarray((values > 0).mean(0)).ravel()
    spread = values.toarray().std(0)
    is_factor = cells.var_names.isin(factors) & (share >= 0.05)
    others = np.where(is_factor, -1, spread)
    chosen = np.union1d(np.flatnonzero(is_factor), np.argsort(-others)[:n])
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


def scores(weights: pd.DataFrame, known: pd.DataFrame) -> dict[str, float]:
    """AUPRC and early precision of absolute weights over pairs of factors with known targets."""
    pairs = set(zip(known["regulator"], known["target"], strict=True))
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
