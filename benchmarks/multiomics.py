"""RNA with proteins and RNA with chromatin, beside what one would otherwise take.

    python benchmarks/multiomics.py citeseq --seeds 0 1 2
    python benchmarks/multiomics.py a549 --seeds 0 1 2

What is hidden depends on the seed and is the same for all methods; no method reads the labels that
score it. A run that was stopped goes on; delete a method's files in --runs to run it anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _timing
from _results import note_read, provenance, write

from scmamba import settings
from scmamba.benchmark import MULTIOMICS_METHODS, MultiomicsBenchmark, MultiomicsMethod, multiomics
from scmamba.benchmark._multiomics.methods.scmamba import Ours
from scmamba.tasks import MultiomicsTraining

PACKAGES = ("torch", "scvi-tools", "scib-metrics", "scikit-learn", "scanpy", "anndata", "numpy")
SETS: dict[str, dict[str, Any]] = {
    "citeseq": {
        "file": "multiome/pbmc_citeseq_10adt.h5ad",
        "labels_key": "cell_type",
        "settings": ("embedding", "imputation", "mosaic"),
    },
    "malt": {
        "file": "multiome/malt_citeseq_17adt.h5ad",
        "labels_key": None,
        "settings": ("imputation",),
    },
    "a549": {
        "file": "multiome/a549_rna_atac.h5mu",
        "labels_key": "time_h",
        "settings": ("embedding", "hidden peaks"),
    },
}
SHOWN = {
    "knn_accuracy": "labels by 15-NN",
    "bio_conservation": "scib bio conservation",
    "mean_pearson_per_gene": "mean Pearson per feature",
    "mean_spearman_per_gene": "mean Spearman per feature",
    "rmse": "RMSE",
    "knn_accuracy_incomplete": "labels of incomplete cells by 15-NN",
    "auroc": "AUROC",
    "seconds": "seconds",
    "cpu_seconds": "processor seconds",
}


def variants(epochs: int | None) -> dict[str, MultiomicsMethod]:
    """Ablations of the order of peaks: Mamba layers in genome order, shuffled, and the default."""
    layers = MultiomicsTraining(n_layer=1, epochs=epochs)
    rows = {}
    for order in ("genome", "shuffled"):
        run = Ours({"training": layers, "order": order})
        title = f"scmamba, Mamba layer, {order} order"
        rows[f"layer_{order}"] = MultiomicsMethod(run, title, ("embedding", "hidden peaks"))
    return rows


def tables(found: MultiomicsBenchmark) -> str:
    """One table a setting in Markdown, means over seeds."""
    parts = []
    for setting in found.runs["setting"].unique():
        table = found.summary(setting)
        columns = {name: title for name, title in SHOWN.items() if name in table}
        n_seeds = found.runs.loc[found.runs["setting"] == setting, "seed"].nunique()
        lines = [f"{setting}, {n_seeds} seed(s)", ""]
        lines.append(f"|  | {' | '.join(columns.values())} |")
        lines.append(f"| --- | {' | '.join(['---:'] * len(columns))} |")
        for name, row in table.iterrows():
            numbers = ["" if row[c] != row[c] else f"{row[c]:.3f}" for c in columns]
            lines.append(f"| {name} | {' | '.join(numbers)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, write JSON, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=MULTIOMICS_METHODS, help="all by default")
    parser.add_argument("--settings", nargs="+", help="those of the set by default")
    parser.add_argument("--orders", action="store_true", help="a549: layers, genome or shuffled")
    parser.add_argument("--epochs", type=int, help="a trial of --orders on so many epochs")
    parser.add_argument("--no-scib", action="store_true", help="leave scib-metrics out")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_multiomics"))
    parser.add_argument("--out", type=Path, help="results/multiomics_SET.json by default")
    arguments = parser.parse_args(argv)
    settings.verbosity, settings.device = "info", "cpu"
    chosen = SETS[arguments.set]
    out = arguments.out or _timing.RESULTS / f"multiomics_{arguments.set}.json"
    methods = list(arguments.methods or MULTIOMICS_METHODS)
    further = variants(arguments.epochs) if arguments.orders else {}
    content = note_read(out, plan=[methods, list(further), arguments.seeds])
    found = multiomics(
        arguments.data / chosen["file"],
        output=arguments.runs / arguments.set,
        labels_key=chosen["labels_key"],
        settings=arguments.settings or chosen["settings"],
        methods=[*methods, *further],
        seeds=arguments.seeds,
        scib=not arguments.no_scib,
        further=further,
    )
    rows = found.runs.astype(object).where(found.runs.notna(), None)
    content["results"] = {**provenance(PACKAGES), "runs": rows.to_dict("records")}
    write(out, content)
    print(f"\n{tables(found)}\n\nwritten: {out}")


if __name__ == "__main__":
    main()
