"""Genes that decide about labels of blood cells, against canonical markers.

    python benchmarks/explanations.py pbmc3k.h5ad kang_ctrl_8donors.h5ad --output explanations.csv

Half of the cells of each file (whole donors where there are any) teach an annotator, which names
the other half. For each type, the first genes of every method are compared with the markers that
the field agrees on, as far as the file has them: precision of the first ten, and recall among the
first fifty. ``rank_genes_groups`` is scanpy's, on the same predicted labels; ``logistic`` are the
weights of a logistic regression; ``random`` draws genes that the annotator reads.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from sklearn.linear_model import LogisticRegression

from scmamba.tasks import Annotator, annotate

MARKERS = {
    "B": "CD79A CD79B MS4A1 CD19 CD74 BANK1 IGHM IGHD TCL1A HLA-DRA CD37 VPREB3 BLK",
    "CD14 monocyte": "CD14 LYZ S100A8 S100A9 S100A12 FCN1 VCAN CST3 LGALS2 MS4A6A TYROBP",
    "CD16 monocyte": "FCGR3A MS4A7 CDKN1C LST1 IFITM3 FCER1G RHOC HES4 AIF1 SERPINA1 IFITM2",
    "CD8 T": "CD8A CD8B CD3D CD3E CD3G CCL5 GZMK GZMA CST7 NKG7 KLRG1 GZMH CD2",
    "naive CD4 T": "CCR7 SELL LEF1 TCF7 CD3D CD3E CD3G IL7R MAL LDHB TRAT1 CD27 PIK3IP1",
    "memory CD4 T": "IL7R S100A4 CD3D CD3E CD3G LTB IL32 AQP3 CD2 CD40LG MAL ITGB1 ANXA1",
    "CD4 T": "IL7R CD3D CD3E CD3G LTB IL32 CCR7 SELL LEF1 TCF7 CD4 MAL CD2 LDHB",
    "NK": "GNLY NKG7 KLRD1 KLRF1 KLRB1 NCAM1 PRF1 GZMB FGFBP2 SPON2 CTSW CD247 FCGR3A",
    "dendritic": "FCER1A CLEC10A CD1C CST3 HLA-DQA1 HLA-DQB1 HLA-DPB1 HLA-DPA1 HLA-DRB1 ENHO",
    "megakaryocyte": "PPBP PF4 GP9 ITGA2B TUBB1 GNG11 SDPR NRGN SPARC CLU CD9 HIST1H2AC",
}
"""Canonical markers, as textbooks of blood and many single-cell studies have them."""
NAMES = {
    "b": "B", "b cells": "B", "cd14+ mono": "CD14 monocyte", "cd14+ monocytes": "CD14 monocyte",
    "fcgr3a+ mono": "CD16 monocyte", "fcgr3a+ monocytes": "CD16 monocyte", "cd8 t": "CD8 T",
    "cd8 t cells": "CD8 T", "naive cd4 t": "naive CD4 T", "memory cd4 t": "memory CD4 T",
    "cd4 t cells": "CD4 T", "nk": "NK", "nk cells": "NK", "dc": "dendritic",
    "dendritic cells": "dendritic", "platelet": "megakaryocyte", "megakaryocytes": "megakaryocyte",
}  # fmt: skip
FIRST, MOST = 10, 50

Ranking = dict[str, list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--output", default="explanations.csv")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cells", type=int, default=3000, help="cells of a file, at most")
    args = parser.parse_args()
    rows: list[dict[str, object]] = []
    for path in args.files:
        cells = ad.read_h5ad(path)
        for seed in args.seeds:
            train, test = halves(cells, args.cells, seed)
            batch = "donor" if "donor" in train.obs else None
            annotator = annotate(
                test, train, labels_key="cell_type", batch_key=batch, seed=seed, key_added="found"
            )
            for name, method in METHODS.items():
                start = time.time()
                ranked = method(annotator, train, test, seed)
                row = {"file": path.stem, "seed": seed, "method": name, **score(ranked, annotator)}
                rows.append({**row, "seconds": round(time.time() - start, 1)})
            pd.DataFrame(rows).to_csv(args.output, index=False)
    table = pd.DataFrame(rows).groupby(["file", "method"], sort=False)
    print(table.mean(numeric_only=True).drop(columns="seed").round(3).to_string())


def halves(cells: ad.AnnData, most: int, seed: int) -> tuple[ad.AnnData, ad.AnnData]:
    """Cells to learn from and cells to name: different donors, or different cells."""
    rng = np.random.default_rng(seed)
    some = cells[np.sort(rng.choice(cells.n_obs, min(most, cells.n_obs), replace=False))]
    groups = some.obs["donor" if "donor" in some.obs else "cell_type"].astype(str).to_numpy()
    if "donor" in some.obs:
        donors = np.unique(groups)
        learn = np.isin(groups, rng.permutation(donors)[: len(donors) // 2])
    else:
        learn = rng.random(some.n_obs) < 0.5
    test = some[~learn].copy()
    test.obs = test.obs.drop(columns="cell_type")
    return some[learn].copy(), test


def score(ranked: Ranking, annotator: Annotator) -> dict[str, float]:
    """Precision of the first genes and recall among more, means over types."""
    known = set(annotator.panel.names)
    precision, recall = [], []
    for name, genes in ranked.items():
        wanted = set(MARKERS[NAMES[name.lower()]].split()) & known
        if wanted:
            precision.append(len(wanted & set(genes[:FIRST])) / min(FIRST, len(wanted)))
            recall.append(len(wanted & set(genes[:MOST])) / len(wanted))
    return {
        "types": len(precision),
        f"first_{FIRST}": float(np.mean(precision)),
        f"recall_{MOST}": float(np.mean(recall)),
    }


def explained(column: str) -> Callable[..., Ranking]:
    """Genes that are expressed, by a column of the explanation."""

    def rank(annotator: Annotator, train: ad.AnnData, test: ad.AnnData, seed: int) -> Ranking:
        table = annotator.explain(test, n_genes=2 * MOST, seed=seed).table
        table = table[table["evidence"] == "expressed"].sort_values(column, ascending=False)
        return {name: own["gene"].tolist() for name, own in table.groupby("cell_type")}

    return rank


def own_markers(annotator: Annotator, train: ad.AnnData, test: ad.AnnData, seed: int) -> Ranking:
    """Genes that the annotator names without cells."""
    table = annotator.markers(MOST)
    return {name: own["gene"].tolist() for name, own in table.groupby("cell_type")}


def rank_genes_groups(test_name: str) -> Callable[..., Ranking]:
    """Genes that scanpy finds in cells of the predicted labels, among those the annotator reads."""

    def rank(annotator: Annotator, train: ad.AnnData, test: ad.AnnData, seed: int) -> Ranking:
        cells = lognorm(test)[:, annotator.panel.names].copy()
        sizes = cells.obs["found_best_guess"].value_counts()
        kept = [str(name) for name, n in sizes.items() if n > 1]
        sc.tl.rank_genes_groups(
            cells, "found_best_guess", groups=kept, method=test_name, n_genes=MOST
        )
        names = pd.DataFrame(cells.uns["rank_genes_groups"]["names"])
        return {name: names[name].tolist() for name in names}

    return rank


def logistic(annotator: Annotator, train: ad.AnnData, test: ad.AnnData, seed: int) -> Ranking:
    """Weights of a logistic regression."""
    cells = lognorm(train)[:, annotator.panel.names]
    model = LogisticRegression(max_iter=300).fit(cells.X, cells.obs["cell_type"].astype(str))
    names = np.array(annotator.panel.names)
    order = np.argsort(-model.coef_, axis=1)[:, :MOST]
    return dict(zip(model.classes_, (names[own].tolist() for own in order), strict=True))


def at_random(annotator: Annotator, train: ad.AnnData, test: ad.AnnData, seed: int) -> Ranking:
    """Genes that the annotator reads, in random order."""
    rng = np.random.default_rng(seed)
    return {name: rng.permutation(annotator.panel.names).tolist() for name in annotator.classes}


def lognorm(cells: ad.AnnData) -> ad.AnnData:
    """Log-normalized values of counts."""
    cells = cells.copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


METHODS: dict[str, Callable[..., Ranking]] = {
    "explain, attribution": explained("attribution"),
    "explain, knock-out": explained("knockout_effect"),
    "markers": own_markers,
    "rank_genes_groups, t-test": rank_genes_groups("t-test_overestim_var"),
    "rank_genes_groups, Wilcoxon": rank_genes_groups("wilcoxon"),
    "logistic regression": logistic,
    "random genes": at_random,
}

if __name__ == "__main__":
    main()
