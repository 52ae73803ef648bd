"""Lines of the first screen that each kind of results has: perturbations, modalities, sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

OURS = "scmamba"
PERTURBATION = {
    "kang": "perturbation of another cell type (Kang)",
    "kang_full": "perturbation of another cell type (Kang, all genes)",
    "papalexi, the nine with an effect": "knock-outs nobody measured (Papalexi)",
    "replogle, K562": "knock-downs nobody measured (Replogle, K562)",
    "replogle, RPE1": "knock-downs nobody measured (Replogle, RPE1)",
    "op3": "drugs in another cell type (OP3)",
}
MULTIOMICS = {
    ("citeseq", "embedding", "knn_accuracy"): "CITE-seq, cell types by neighbors",
    ("citeseq", "embedding", "bio_conservation"): "CITE-seq, scib bio conservation",
    ("citeseq", "imputation", "mean_pearson_per_gene"): "CITE-seq, proteins from RNA",
    ("malt", "imputation", "mean_pearson_per_gene"): "CITE-seq (tumor), proteins from RNA",
    ("a549", "embedding", "knn_accuracy"): "RNA and chromatin, time by neighbors",
    ("a549", "hidden peaks", "auroc"): "RNA and chromatin, hidden peaks",
}
PEERS = {"pca": "PCA", "harmony": "Harmony", "scvi": "scVI"}
"""Methods of batch correction that see no labels."""
FIGURES = {
    "Total": "scib total",
    "pearson_delta_top": "Pearson, top 100 genes",
    "pearson_delta": "Pearson of change",
    "knn_accuracy": "accuracy",
    "bio_conservation": "bio conservation",
    "mean_pearson_per_gene": "Pearson",
    "auroc": "AUROC",
}


class Line(NamedTuple):
    """One row: figures, and the difference with its interval."""

    task: str
    figure: str
    ours: float
    peer: str
    theirs: float
    difference: tuple[float, float | None, float | None]
    costs: tuple[Mapping[str, Any], Mapping[str, Any]]


def peers(rows: Mapping[str, Any]) -> list[str]:
    """Names of the methods that are not ours."""
    return [name for name in rows if not name.startswith(OURS)]


def perturbation_lines(results: dict[str, Any], name: str) -> list[Line]:
    """Correlation of the predicted change with the measured one."""
    lines = []
    for table, rows in results["tables"].items():
        title = PERTURBATION.get(table) or PERTURBATION.get(name.removeprefix("perturbation_"))
        if title is None or OURS not in rows or (table not in PERTURBATION and "," in table):
            continue
        figure = results.get("headline", "pearson_delta")
        lines.append(_line(title, figure, rows))
    return lines


def multiomics_lines(results: dict[str, Any], name: str) -> list[Line]:
    """Means over seeds of the first score of each setting; the interval is that of the seeds."""
    lines = []
    for (data, setting, figure), title in MULTIOMICS.items():
        if f"multiomics_{data}" != name:
            continue
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for run in results["runs"]:
            if run["setting"] == setting and run.get(figure) is not None:
                found[run["method"]].append(run)
        rows = {method: _means(runs, figure) for method, runs in found.items()}
        if OURS in rows and peers(rows):
            line = _line(title, figure, rows)
            values = ({run["seed"]: run[figure] for run in found[one]} for one in (OURS, line.peer))
            spread = (line.difference[0], *_seed_range(*values))
            lines.append(line._replace(difference=spread))
    return lines


def set_lines(results: dict[str, Any], name: str) -> list[Line]:
    """Mean total score, over seeds and then over sets on which all methods without labels ran."""
    sets = [one["methods"] for one in results["sets"].values()]
    shared = [key for key in PEERS if sets and all(key in methods for methods in sets)]
    if not shared or not all(OURS in methods for methods in sets):
        return []
    rows = {}
    for key in (OURS, *shared):
        means = [
            _means([{**run, "Total": run["scores"]["Total"]} for run in methods[key]], "Total")
            for methods in sets
        ]
        rows[PEERS.get(key, key)] = _means(means, "Total")
    return [_line(f"batch correction, {len(sets)} data sets and designs", "Total", rows)]


def regression_lines(results: dict[str, Any], title: str) -> list[Line]:
    """Spearman correlation; the difference is that to ridge, the reference of the table."""
    rows = results["rows"]
    peer = max(peers(rows), key=lambda one: rows[one]["spearman"]["mean"])
    figures = rows[OURS]["spearman"]["mean"], peer, rows[peer]["spearman"]["mean"]
    minus = rows[OURS].get("minus") or {}
    spread = (figures[0] - figures[2], None, None)
    if minus and not rows[peer].get("minus"):  # the peer is the reference itself
        spread = minus["mean"], minus["low"], minus["high"]
    return [Line(title, "Spearman", *figures, spread, (rows[OURS], rows[peer]))]


def _line(title: str, figure: str, rows: Mapping[str, dict[str, Any]]) -> Line:
    """Compare ours with the best peer, without an interval."""
    able = [name for name in peers(rows) if rows[name].get(figure) is not None]
    peer = max(able, key=lambda one: rows[one][figure])
    ours, theirs = rows[OURS][figure], rows[peer][figure]
    spread = (ours - theirs, None, None)
    return Line(title, FIGURES[figure], ours, peer, theirs, spread, (rows[OURS], rows[peer]))


def _seed_range(
    ours: Mapping[int, float], theirs: Mapping[int, float]
) -> tuple[float | None, float | None]:
    """Lowest and highest difference over the seeds of both, where there are several."""
    minus = [value - theirs[seed] for seed, value in ours.items() if seed in theirs]
    return (min(minus), max(minus)) if len(minus) > 1 else (None, None)


def _means(runs: Sequence[dict[str, Any]], figure: str) -> dict[str, Any]:
    """Score and costs of a method over its seeds."""
    names = [name for name in (figure, "seconds", "cpu_seconds") if runs[0].get(name) is not None]
    return {name: sum(run[name] for run in runs) / len(runs) for name in names}
