"""Annotation of cells that were never seen, beside what a user would otherwise take.

    python benchmarks/annotation.py demo     # splits 0 to 9 of the demo's cells
    python benchmarks/annotation.py kang     # three of eight donors held out
    python benchmarks/annotation.py pbmc4    # each of four studies held out in turn
    python benchmarks/annotation.py baron    # each of two donors of islets held out in turn
    python benchmarks/annotation.py ood      # dendritic cells that training never saw

Every method learns from the same labeled cells in the same run. scmamba, like scANVI, also sees
the query's expression, as it does in use; the query's labels are taken off before anything starts.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _timing
import torch
from _ours import OURS, ours
from _peers import DETECTORS, LR, detect
from _results import note_read, provenance, write
from _scores import LABELS, Run, summarize
from _scores import UNSEEN as UNSEEN_METRICS
from _splits import FILES, UNSEEN, splits
from _tables import annotation_table
from threadpoolctl import threadpool_limits

from scmamba.benchmark import ANNOTATION_METHODS, AnnotationSplit
from scmamba.benchmark._annotation.split import UNLABELED

PEERS = {
    "demo": ["lr", "lr_balanced", "knn_pca"],  # CellTypist refuses its values
    "kang": ["lr", "lr_balanced", "celltypist", "svm", "mlp", "knn"],
    "pbmc4": ["lr", "lr_balanced", "celltypist", "mlp", "knn"],
    "baron": ["lr", "lr_balanced", "celltypist", "svm", "mlp", "knn"],
    "ood": list(DETECTORS),
}
PACKAGES = ("torch", "numpy", "scikit-learn", "scanpy", "anndata", "celltypist", "scvi-tools")


def labels_run(split: AnnotationSplit, seed: int, arguments: argparse.Namespace) -> Run:
    """Every method's labels of one query; cells whose label nobody knows are not scored."""
    got = ours(split, seed)
    rows = dict(got.rows)
    if arguments.with_mamba:
        rows |= ours(split, seed, layers=True).rows
    for key in (*arguments.peers, *(["scanvi"] if arguments.scanvi else [])):
        method = ANNOTATION_METHODS[key]
        rows[method.title] = method.run(split, seed)
    known = split.truth != UNLABELED
    rows = {name: row.take(known) for name, row in rows.items()}
    return Run(split.name, seed, split.truth[known], rows, got.about)


def unseen_run(split: AnnotationSplit, seed: int, arguments: argparse.Namespace) -> Run:
    """Every method's score of how unlike the training cells those of the query are."""
    train, query, _ = split.values()
    got = ours(split, seed)
    rows = {OURS: got.ood}
    for key in arguments.peers:
        rows[DETECTORS[key][0]] = detect(key, train, split.labels, query, seed)
    return Run(split.name, seed, (split.truth == UNSEEN).astype(int), rows, got.about)


def benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all splits and seeds, and sum them up."""
    name, runs = arguments.name, []
    for split in splits(name, arguments.data, arguments.seeds, arguments.cells):
        for seed in [int(split.name.split()[1])] if name == "demo" else arguments.seeds:
            go = unseen_run if name == "ood" else labels_run
            runs.append(go(split, seed, arguments))
            print(f"{split.name}, seed {seed}: done", flush=True)
    summary = summarize(
        runs,
        UNSEEN_METRICS if name == "ood" else LABELS,
        ours=OURS,
        reference=DETECTORS["uncertainty"][0] if name == "ood" else LR,
        interval="splits" if name == "demo" else "cells",
    )
    return {
        **provenance(PACKAGES),
        "cells_asked_for": arguments.cells,
        "skipped": arguments.skipped,
        **summary,
    }


def _no_scanvi() -> str | None:
    """Why scANVI cannot run here, or None."""
    installed = importlib.util.find_spec("scvi") is not None
    return None if installed else "scvi-tools is not installed (pip install scvi-tools)"


def main(argv: Sequence[str] | None = None) -> None:
    """Run one benchmark, write its JSON, print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=list(PEERS))
    parser.add_argument("--seeds", type=int, nargs="+", help="of the demo: which splits")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--out", type=Path, help="results/annotation_<name>.json by default")
    parser.add_argument("--peers", nargs="*", help="fewer than all; the first is always there")
    parser.add_argument("--scanvi", action="store_true", help="not demo, ood: needs scvi-tools")
    parser.add_argument("--with-mamba", action="store_true", help="fit ours again, layers tried")
    parser.add_argument("--cells", type=int, help="a trial on about so many; kept apart")
    parser.add_argument("--threads", type=int, default=4, help="of the peers")
    arguments = parser.parse_args(argv)
    name = arguments.name
    allowed = PEERS[name]
    if unknown := set(arguments.peers or []) - set(allowed):
        parser.error(f"--peers {', '.join(sorted(unknown))}; {name} has {', '.join(allowed)}")
    if name in FILES and not (arguments.data / FILES[name]).exists():
        parser.error(f"{arguments.data / FILES[name]} is not there; name its folder with --data")
    chosen = allowed if arguments.peers is None else arguments.peers
    arguments.peers = [peer for peer in allowed if peer in chosen or peer == allowed[0]]
    arguments.seeds = arguments.seeds or list(range(10 if name == "demo" else 3))
    arguments.skipped = {}
    if arguments.scanvi and (reason := "no batches" if name in ("demo", "ood") else _no_scanvi()):
        arguments.scanvi, arguments.skipped = False, {"scANVI": reason}
        print(f"scANVI is skipped: {reason}")
    path = arguments.out or _timing.RESULTS / f"annotation_{name}.json"
    torch.set_num_threads(arguments.threads)
    content = note_read(
        path,
        seeds=arguments.seeds,
        cells=arguments.cells or "all",
        methods=[OURS, *arguments.peers, *(["scanvi"] if arguments.scanvi else [])],
    )
    with threadpool_limits(arguments.threads):
        results = benchmark(arguments)
    content["results" if arguments.cells is None else "trial"] = results
    write(path, content)
    print(f"\n{annotation_table(results, len(content['reads']))}\n\nwritten: {path}")


if __name__ == "__main__":
    main()
