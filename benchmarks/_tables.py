"""Every figure of README.md, from the results' JSON: python benchmarks/_tables.py"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from _integration_sets_table import integration_sets_rows
from _multiomics_tables import length_rows, multiomics_rows
from _overview import HEAD, overview
from _perturbation_tables import ceiling_line, network_rows, perturbation_rows
from _pretraining_tables import FEW as FEW_LABELS
from _pretraining_tables import SCORES as ZERO_SHOT
from _pretraining_tables import integration_rows, memory_rows, pretraining_rows
from _shipped_tables import shipped_tables
from _stated_error_table import rare_types_rows, stated_error_rows

HERE = Path(__file__).parent
SCORES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "ece": "ECE",
    "coverage": "coverage",
    "selective_accuracy": "accuracy where labeled",
    "auroc": "AUROC",
    "unseen_unknown": "cells of the unseen type called unknown",
    "seen_unknown": "other cells called unknown",
}
_EARLIER = {"strangers_unknown": "unseen_unknown", "others_unknown": "seen_unknown"}
"""How results before this version name scores."""
_WORDS = (("wide alone", "linear alone"), ("deep alone", "neural alone"), ("doubt", "uncertainty"))
"""Names of rows in results before this version, and the present ones."""
INTERVALS = {
    "cells": "Intervals: 95 %, 2,000 paired resamplings of the query's cells within each split; "
    "they do not speak of other donors or studies.",
    "splits": "Intervals: 95 %, paired t over splits, whose held-out parts overlap.",
}


def annotation_table(results: dict[str, Any], n_reads: int) -> str:
    """Means of every method, its difference to the reference, and the ablation."""
    results = _in_present_words(results)
    means, runs = results["mean"], results["runs"]
    (to_reference, against), (to_ours, from_ours) = results["differences"].items()
    scores = [name for name in SCORES if any(name in row for row in means.values())]
    compared = list(next(iter(from_ours.values())))
    head = [*(SCORES[s] for s in scores), *(f"{SCORES[c]} {to_reference}" for c in compared)]
    body = []
    for name, row in means.items():
        numbers = [_number(row.get(s)) for s in scores]
        numbers += [_difference(against.get(name, {}).get(c)) for c in compared]
        costs = [_number(row["seconds"], 1), _number(row.get("cpu_seconds"), 1)]
        body.append([name, *numbers, *costs])
    parts = [markdown(["", *head, "seconds", "processor seconds"], body)]
    parts.append(f"{to_ours}:")
    body = [[name, *(_difference(row[c]) for c in compared)] for name, row in from_ours.items()]
    parts.append(markdown(["", *(SCORES[c] for c in compared)], body))
    if len({run["split"] for run in runs}) > 1 and results["interval"] == "cells":
        parts += ["Split by split, macro-F1:", _by_split(runs)]
    if any(run["validation"] for run in runs):
        parts += [
            "Held-out cells of the labeled part; choices are made on them, which flatters `both`:",
            _held(runs),
        ]
    parts += [INTERVALS[results["interval"]], _provenance(results, n_reads)]
    return "\n\n".join(parts)


def _in_present_words(results: dict[str, Any]) -> dict[str, Any]:
    """Results in which every row and score has its present name."""
    text = json.dumps(results)
    for before, now in (*_WORDS, *_EARLIER.items()):
        text = text.replace(before, now)
    return dict(json.loads(text))


def _by_split(runs: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(run["split"] for run in runs))
    body = []
    for row in runs[0]["rows"]:
        cells = []
        for name in names:
            here = [run["rows"][row]["macro_f1"] for run in runs if run["split"] == name]
            cells.append(_number(sum(here) / len(here)))
        body.append([row, *cells])
    return markdown(["", *names], body)


_COMPONENTS = {
    "linear": "wide",
    "no_mamba": "deep_without_mamba",
    "neural": "deep",
    "both": "both",
}
"""Components of an annotator, and how results before format version 2 name them."""


def _held(runs: Sequence[dict[str, Any]]) -> str:
    """Mean scores of the annotator's own validation, view by view."""
    body = []
    for view, earlier in _COMPONENTS.items():
        cells = []
        for score in ("accuracy", "macro_f1"):
            found = [
                run["validation"].get(
                    f"{view}_{score}", run["validation"].get(f"{earlier}_{score}")
                )
                for run in runs
            ]
            kept = [value for value in found if value is not None]
            cells.append(_number(sum(kept) / len(kept) if kept else None))
        body.append([view.replace("_", " "), *cells])
    weights = [run.get("neural_weight", run.get("deep_share")) for run in runs]
    shares = ", ".join(f"{weight:.1f}" for weight in weights)
    layers = ", ".join(str(run["mamba_layers"]) for run in runs)
    table = markdown(["component", "accuracy", "macro-F1"], body)
    return f"{table}\n\nWeight of the neural component: {shares}; Mamba layers kept: {layers}."


def _provenance(results: dict[str, Any], n_reads: int) -> str:
    machine, runs = results["machine"], results["runs"]
    sizes = list(dict.fromkeys(f"{run['n_cells']:,}" for run in runs))
    seeds = ", ".join(map(str, dict.fromkeys(run["seed"] for run in runs)))
    skipped = "".join(f" {name} skipped: {why}." for name, why in results["skipped"].items())
    return (
        f"{results['date'][:10]}, commit {results['commit']}, {machine['threads']} threads of "
        f"{machine['cores']} cores ({machine['cpu']}), torch {results['versions']['torch']}, "
        f"scikit-learn {results['versions']['scikit-learn']}; seeds {seeds}; cells scored: "
        f"{', '.join(sizes)}. Seconds are of fitting and predicting, means over runs; one call of "
        f"scmamba gives its components too. Processor seconds are user and system time, worker "
        f"processes included. Test labels read by {n_reads} run(s) so far.{skipped}"
    )


def encoder_table(content: dict[str, Any]) -> str:
    """How many times faster the encoder is, and how time and memory grow."""
    results = dict(content["results"])
    growth, machine = results.pop("growth", None), content["machine"]
    kept = any(value != "default" for value in machine["allocator"].values())
    parts = [_faster(results), _crossing(results)] if results else []
    if growth is not None:
        far = [
            [f"{row['length']:,}", f"{row['seconds']:.3f}", f"{row['bytes'] / 2**20:.0f}"]
            for row in growth["rows"]
        ]
        exponents, wide = growth["exponents"], growth["wide"]
        parts += [
            markdown(["tokens at d_model 128", "seconds", "MiB above the base"], far),
            f"Growth with length: exponent {exponents['seconds']:.2f} of time (at most 1.05 was "
            f"asked for), {exponents['bytes']:.2f} of memory (1.10). {wide['length']:,} tokens at "
            f"d_model {wide['d_model']}: {wide['bytes'] / 2**20:.0f} MiB above the base.",
        ]
    return "\n\n".join(
        [
            *parts,
            f"{machine['threads']} threads of {machine['cores']} cores ({machine['cpu']}), torch "
            f"{machine['torch']}; glibc {'keeps' if kept else 'gives back'} freed memory, alike "
            "for all; memory is measured with the default allocator.",
        ]
    )


def _crossing(results: dict[str, Any]) -> str:
    """From which length on ours is faster than attention, kind by kind."""
    found: dict[str, list[tuple[int, float]]] = {}
    for case, row in results.items():
        kind, _, length = case.rpartition(", L ")
        if "sdpa" in row:
            found.setdefault(kind, []).append((int(length), row["sdpa"]["ours_faster"]))
    told = []
    for kind, pairs in found.items():
        slower = [length for length, ratio in sorted(pairs) if ratio <= 1]
        longer = [length for length, _ in sorted(pairs) if not slower or length > slower[-1]]
        told.append(f"{kind}: " + (f"from L = {longer[0]:,}" if longer else "at no length here"))
    return f"Faster than attention (sdpa), of the lengths measured: {'; '.join(told)}."


def gpu_table(content: dict[str, Any]) -> str:
    """Cells a second on a GPU, and against the two-pass form."""
    results = content["results"]
    if "not_measured" in results:
        return f"Not measured: {results['not_measured']}."
    body = []
    for case, row in results["rows"].items():
        share, faster = row["share_of_matrix_rate"], row["two passes"]["ours_faster"]
        body.append([case, f"{row['cells_per_second']:,.1f}", f"{share:.1%}", f"{faster:.2f} x"])
    head = ["", "cells a second", "share of the matrix rate", "ours is faster than two passes"]
    return (
        f"{markdown(head, body)}\n\n{results['device']}, {results['kernels']}; a large matrix "
        f"product reaches {results['matrix_rate'] / 1e12:.0f} Tflop/s; torch "
        f"{content['machine']['torch']}."
    )


def scan_table(content: dict[str, Any]) -> str:
    """How many times faster the selective scan is, and how its time grows."""
    results, machine = dict(content["results"]), content["machine"]
    growth = results.pop("growth")
    far = [
        [f"{row['length']:,}", f"{row['forward']:.4f}", f"{row['training']:.4f}"]
        for row in growth["rows"]
    ]
    exponents = growth["exponents"]
    return "\n\n".join(
        [
            _faster(results),
            markdown(["tokens", "seconds, forward", "seconds, training step"], far),
            f"Growth with length: exponent {exponents['forward']:.2f} forward, "
            f"{exponents['training']:.2f} in training. {machine['threads']} threads of "
            f"{machine['cores']} cores ({machine['cpu']}), torch {machine['torch']}.",
        ]
    )


def length_table(content: dict[str, Any]) -> str:
    """Time and memory of long sequences, whole and in pieces."""
    results, machine = content["results"], content["machine"]
    body = []
    for row in (*results["rows"], *results["pieces"]):
        how = f"causal, pieces of {row['piece']:,}" if "piece" in row else "bidirectional, whole"
        seconds, needed = f"{row['seconds']:.1f}", f"{row['bytes'] / 2**20:,.0f}"
        body.append([f"{row['length']:,}, {how}", seconds, needed])
    exponents = results["exponents"]
    return (
        f"{markdown(['nucleotides', 'seconds', 'MiB above the base'], body)}\n\nGrowth of whole "
        f"sequences with length: exponent {exponents['seconds']:.2f} of time, "
        f"{exponents['bytes']:.2f} of memory. {machine['threads']} threads of "
        f"{machine['cores']} cores ({machine['cpu']}), torch {machine['torch']}."
    )


def _faster(results: dict[str, Any]) -> str:
    """A row a case: how many times faster ours is than each candidate, and its seconds."""
    names = list(dict.fromkeys(n for row in results.values() for n in row if n != "difference"))
    body = []
    for case, row in results.items():
        cells = []
        for name in names:
            found = row.get(name)
            times = found and f"{found['ours_faster']:.2f} x ({found['seconds']:.3f} s)"
            cells.append(times or "")
        body.append([case, *cells])
    table = markdown(["", *names], body)
    return f"How many times faster ours is than each, and seconds of each:\n\n{table}"


def tokens_table(content: dict[str, Any]) -> str:
    """How many times faster tokens are made."""
    results, machine = content["results"], content["machine"]
    body = []
    for case, row in results["rows"].items():
        ours, peer = row["ours"], row["published"]
        spread = f"{peer['lowest']:.0f} to {peer['highest']:.0f}"
        rate = f"{results['cells'] / ours['seconds']:,.0f}"
        seconds = [f"{ours['seconds']:.3f}", f"{peer['seconds']:.2f}"]
        body.append([case, f"{peer['ours_faster']:.0f} x", spread, *seconds, rate])
    head = ["", "ours is faster", "of all rounds", "seconds", "published", "cells a second"]
    different = ", ".join(f"{n} of {values}" for values, n in results["different_bins"].items())
    return (
        f"{markdown(head, body)}\n\nBins that differ: {different}. {results['cells']:,} x "
        f"{results['genes']:,}, {results['non_zeros'] / results['cells']:,.0f} non-zeros a cell; "
        f"medians of {results['rounds']} rounds. {machine['threads']} threads of "
        f"{machine['cores']} cores ({machine['cpu']}), torch {machine['torch']}."
    )


def streaming_table(content: dict[str, Any]) -> str:
    """Cells a second and memory, file by file, and what a kill cost."""
    results, machine = content["results"], content["machine"]
    rows, killed = results["rows"], results["killed"]
    body = [
        [
            case,
            f"{row['cells_per_second']:,.0f}",
            f"{row['seconds']:.1f}",
            f"{row['peak_bytes'] / 2**30:.2f}",
            f"{row['bytes_when_opened'] / 2**30:.2f}" if "bytes_when_opened" in row else "",
        ]
        for case, row in rows.items()
    ]
    head = ["", "cells a second", "seconds", "GiB, peak of the process", "of these when opened"]
    return (
        f"{markdown(head, body)}\n\nThe largest file holds {results['file_bytes'] / 1e9:.1f} GB. "
        f"Killed after {killed['seconds_until_killed']:.1f} s, `embed` had "
        f"{killed['kept_cells']:,} cells; made again, the call took {killed['seconds_again']:.1f} "
        f"s. {machine['threads']} threads of {machine['cores']} cores ({machine['cpu']}), torch "
        f"{machine['torch']}."
    )


def bridge_table(content: dict[str, Any]) -> str:
    """How well cells are labeled by genes that were placed in one way or another."""
    results, machine = content["results"], content["machine"]
    body = []
    for name, row in results["rows"].items():
        cells = [row.get(score) for score in ("accuracy", "macro_f1", "r2")]
        body.append([name, *(x and f"{x['mean']:.3f} ({x['sd']:.3f})" or "" for x in cells)])
    head = ["new genes placed", "accuracy", "macro-F1", "held-out R2 of gene embeddings"]
    return (
        f"{markdown(head, body)}\n\nMeans (standard deviations) over seeds "
        f"{', '.join(map(str, results['seeds']))}; torch {machine['torch']}."
    )


def classify_table(content: dict[str, Any]) -> str:
    """Sequence classifiers: means over tasks, then MCC task by task, for both trainings."""
    results = content["results"]
    parts = ["Networks with the published training, means over tasks:"]
    parts += _classifiers(results["published"])
    if "longer" in results:
        parts.append(
            "The same networks trained longer (60 epochs of batch 32, patience 6), first seed:"
        )
        parts += _classifiers(results["longer"])
    sizes = "; ".join(
        f"{task['name']} {task['train']:,}/{task['validation']:,}/{task['test']:,} of "
        f"{task['length']} nt, {task['left_out']} copies left out"
        for task in results["tasks"]
    )
    parts.append(
        f"Training, validation and test sequences: {sizes}. Intervals: 95 %, 1,000 paired "
        f"resamplings of the test sequences, seeds as they were. {_made(results, content)}"
    )
    return "\n\n".join(parts)


def _classifiers(found: dict[str, Any]) -> list[str]:
    scores = ["accuracy", "macro-F1", "MCC", "scmamba's MCC less this"]
    scores += ["ECE", "log loss"]
    head = ["", *scores, "parameters", "seconds", "processor seconds", "seeds"]
    body = []
    for name, row in found["summary"].items():
        minus = None
        if row.get("mcc_minus") is not None:
            turned = ("mcc_minus", "mcc_minus_high", "mcc_minus_low")
            minus = dict(zip(("mean", "low", "high"), (-row[key] for key in turned), strict=True))
        spread = f"{row['mcc']:.3f} [{row['mcc_low']:.3f}, {row['mcc_high']:.3f}]"
        scores = [_number(row["accuracy"]), _number(row["macro_f1"]), spread, _difference(minus)]
        scores += [_number(row.get(key)) for key in ("ece", "log_loss")]
        costs = [f"{row['n_parameters']:,.0f}", _number(row["seconds"], 0)]
        costs += [_number(row.get("cpu_seconds"), 0), str(row["n_seeds"])]
        body.append([_word(name), *scores, *costs])
    tasks = list(dict.fromkeys(row["task"] for row in found["by_task"]))
    mcc = {(row["method"], row["task"]): row for row in found["by_task"]}
    by_task = []
    for name in found["summary"]:
        rows = [mcc.get((name, task)) for task in tasks]
        spread = [
            row and f"{row['mcc']:.3f}" + (f" ({row['mcc_sd']:.3f})" if row["mcc_sd"] else "")
            for row in rows
        ]
        by_task.append([_word(name), *(text or "" for text in spread)])
    return [
        markdown(head, body),
        "MCC task by task, means (standard deviations) over seeds:",
        markdown(["", *tasks], by_task),
    ]


def regression_table(content: dict[str, Any]) -> str:
    """Correlations of predicted and measured numbers."""
    results = content["results"]
    reference = next(name for name, row in results["rows"].items() if row["minus"] is None)
    body = []
    for name, row in results["rows"].items():
        rho = row["spearman"]
        spread = f"{rho['mean']:.3f} [{rho['low']:.3f}, {rho['high']:.3f}]"
        seeds = ", ".join(f"{value:.3f}" for value in row["by_seed"])
        costs = [_number(row.get(key), 0) for key in ("seconds", "cpu_seconds")]
        body.append(
            [_word(name), spread, _difference(row["minus"]), _number(row["pearson"]), seeds]
        )
        body[-1] += costs
    head = ["", "Spearman", f"less {reference}", "Pearson", "seed by seed", "seconds"]
    head.append("processor seconds")
    sizes = results["sizes"]
    published = ", ".join(f"{name} {rho:.2f}" for name, rho in results["published"].items())
    published = f"Published on the same split, not run here: {published}. " if published else ""
    lengths = ""
    if "longest" in sizes:
        ends = sorted({sizes["shortest"], sizes["longest"]})
        lengths = f" of {' to '.join(f'{n:,}' for n in ends)} nucleotides"
    return (
        f"{markdown(head, body)}\n\n{published}{sizes['train']:,} sequences{lengths} to train, "
        f"{sizes['validation']:,} to validate, {sizes['test']:,} to test on; {sizes['left_out']} "
        "copies left out. Intervals: 95 %, 2,000 paired resamplings of the test sequences. "
        f"{_made(results, content)}"
    )


def _made(results: dict[str, Any], content: dict[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"{results['date'][:10]}, commit {results['commit']}, {machine['cores']} cores "
        f"({machine['cpu']}), torch {results['versions']['torch']}, scikit-learn "
        f"{results['versions']['scikit-learn']}; seeds {', '.join(map(str, results['seeds']))}. "
        f"Test labels read by {len(content['reads'])} run(s) so far."
    )


def stated_error_table(content: dict[str, Any]) -> str:
    """How many of the cells that were given a label are wrong, query by query."""
    machine, queries = content["machine"], content["queries"]
    commits = sorted({one["commit"] for one in queries})
    told = (
        f"Asked for: at most {content['max_error']} of the labeled cells wrong. "
        f"{content['date'][:10]}, commit {', '.join(commits)}, {machine['threads']} threads of "
        f"{machine['cores']} cores ({machine['cpu']})."
    )
    rare = f"Types of few cells:\n\n{markdown(*rare_types_rows(queries))}"
    return f"{markdown(*stated_error_rows(queries))}\n\n{rare}\n\n{told}"


def integration_table(content: dict[str, Any]) -> str:
    """Scores of batch correction, each metric, what each objective adds, and what all cost."""
    results = content["results"]
    rows, changed = results["methods"], results["ablations"]
    head = ["Total", "seed by seed", "Bio conservation", "Batch correction", "Isolated labels"]
    body = []
    for row in sorted(rows.values(), key=lambda row: -_mean(row["scores"]["Total"])):
        scores = row["scores"]
        numbers = [_number(_mean(scores[name])) for name in head[2:]]
        seeds = ", ".join(f"{value:.3f}" for value in scores["Total"])
        cost = [f"{row[key]:,.0f}" for key in ("seconds", "cpu_seconds")]
        used = "yes" if row["labels"] else ""
        spread = [used, _number(_mean(scores["Total"])), seeds, *numbers]
        body.append([row["title"], *spread, *cost, f"{row['peak_bytes'] / 1e9:.1f}"])
    head = ["", "labels used", *head, "seconds", "processor seconds", "peak GB"]
    parts = [markdown(head, body), "Every metric, means over seeds:", _metrics(rows, results)]
    if changed:
        parts += [
            "With one thing changed, minus scmamba as it is (with labels, where the row has them), "
            "seed by seed the same; in brackets the lowest and the highest seed. Below 0: what was "
            "taken out helps.",
            _changes(rows, changed),
        ]
    return "\n\n".join([*parts, _integration_provenance(results, content)])


def integration_sets_table(content: dict[str, Any]) -> str:
    """Every data set and made-up design, ours beside the peers."""
    results = content["results"]
    machine, versions, sets = results["machine"], results["versions"], results["sets"]
    seeds = {r["seed"] for one in sets.values() for runs in one["methods"].values() for r in runs}
    packages = ("torch", "scvi-tools", "harmonypy", "scib-metrics")
    told = (
        "Scib total / bio conservation, means over seeds. The best peer without labels is the "
        "better of Harmony and scVI; brackets hold the lowest and the highest seed. Processor "
        f"seconds are those of scmamba. At most {results['scored']:,} cells of a set are scored. "
        f"{results['date'][:10]}, commit {results['commit']}, {results['threads']} thread(s) a "
        f"method on {machine['cores']} cores ({machine['cpu']}); seeds "
        f"{', '.join(map(str, sorted(seeds)))}; "
        f"{', '.join(f'{name} {versions[name]}' for name in packages)}."
    )
    return f"{markdown(*integration_sets_rows(sets))}\n\n{told}"


def _metrics(rows: dict[str, Any], results: dict[str, Any]) -> str:
    body = [
        [name, kind, *(_number(_mean(row["scores"][name])) for row in rows.values())]
        for name, kind in results["groups"].items()
    ]
    return markdown(["metric", "of", *(row["title"] for row in rows.values())], body)


def _changes(rows: dict[str, Any], changed: dict[str, Any]) -> str:
    """Differences to ours with the same seeds, to the one that learned from labels or not."""
    names = ("Total", "Bio conservation", "Batch correction", "Isolated labels")
    body = []
    for row in changed.values():
        ours = rows["scmamba_labels" if row["labels"] else "scmamba"]
        cells = []
        for name in names:
            usual = dict(zip(ours["seeds"], ours["scores"][name], strict=True))
            here = zip(row["seeds"], row["scores"][name], strict=True)
            minus = [value - usual[seed] for seed, value in here if seed in usual]
            text = "" if not minus else f"{_mean(minus):+.3f}"
            cells.append(text + (f" [{min(minus):+.3f}, {max(minus):+.3f}]" if minus[1:] else ""))
        body.append([row["title"], str(len(row["seeds"])), *cells, f"{row['cpu_seconds']:,.0f}"])
    return markdown(["", "seeds", *names, "processor seconds"], body)


def _integration_provenance(results: dict[str, Any], content: dict[str, Any]) -> str:
    machine, versions, cells = results["machine"], results["versions"], results["cells"]
    sizes = ", ".join(f"{n:,} {name}" for name, n in results["sizes"].items())
    ours = [results["methods"][name]["about"] for name in ("scmamba", "scmamba_labels")]
    kept = ["/".join(str(run["mamba_layers"]) for run in runs) for runs in zip(*ours, strict=True)]
    packages = ("torch", "scvi-tools", "harmonypy", "scib-metrics")
    return (
        f"{cells['kept']:,} of {cells['given']:,} cells ({sizes}), {cells['genes']:,} genes. "
        f"Mamba layers kept without/with labels, seed by seed: {', '.join(kept)}. "
        f"{results['date'][:10]}, commit {results['commit']}, {results['threads']} thread(s) a "
        f"method, {results['jobs']} side by side on {machine['cores']} cores ({machine['cpu']}), "
        f"load {machine['load_before']:.0f} when it began; "
        f"{', '.join(f'{name} {versions[name]}' for name in packages)}. "
        f"Labels read for scores by {len(content['reads'])} run(s) so far."
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def growth_table(content: dict[str, Any]) -> str:
    """Seconds and memory against cells, genes and classes, and how they grow."""
    results, body = content["results"], []
    for name, found in results["growth"].items():
        times, peaks = (found["exponents"][key] for key in ("cpu_seconds", "peak_bytes"))
        for i, row in enumerate(found["rows"]):
            sizes = [f"{row[key]:,}" for key in ("cells", "genes", "classes")]
            costs = [_number(row.get(key), 1) for key in ("seconds", "cpu_seconds")]
            peak = [_number(row[k] / 2**30, 2) if k in row else "" for k in _MEMORY]
            grown = [_number(one[i - 1], 2) if i else "" for one in (times, peaks)]
            body.append([name, *sizes, *costs, *peak, *grown, row.get("stopped", "")])
    head = ["cells", "genes", "classes", "seconds", "processor seconds", "GiB when read"]
    head += ["GiB, peak", "GiB, largest worker", "exponent of time", "exponent of peak", "stopped"]
    machine = results["machine"]
    return (
        f"{markdown(['', *head], body)}\n\nExponents: log of the ratio to the row above over log "
        f"of the ratio of sizes. {results['date'][:10]}, commit {results['commit']}, "
        f"{machine['cores']} cores ({machine['cpu']}), torch {results['versions']['torch']}."
    )


_MEMORY = ("bytes_before", "peak_bytes", "worker_bytes")


def demo_table(content: dict[str, Any]) -> str:
    """One sentence: how long, and where."""
    machine = content["machine"]
    seconds, cpu = (content["results"].get(key) for key in ("seconds", "cpu_seconds"))
    processor = "" if cpu is None else f" ({cpu:.0f} processor seconds)"
    return (
        f"{seconds:.0f} seconds{processor} with {machine['cores']} cores "
        f"({machine['cpu']}), torch {machine['torch']}."
    )


def markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table whose columns after the first are set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _word(name: str) -> str:
    for before, now in _WORDS:
        name = name.replace(before, now)
    return name


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _difference(found: dict[str, float | None] | None) -> str:
    if found is None:
        return ""
    if found["low"] is None:
        return f"{found['mean']:+.3f}"
    return f"{found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def perturbation_table(content: dict[str, Any]) -> str:
    """One table for each part of a data set."""
    parts, headline = [], content.get("headline", "pearson_delta")
    for title, rows in content["tables"].items():
        parts += [title, markdown(*perturbation_rows(rows, headline))]
    machine, seeds = content["machine"], ", ".join(map(str, content["seeds"]))
    parts.append(
        f"{ceiling_line(content.get('ceiling'), headline)}{content['date'][:10]}, commit "
        f"{content['commit']}, {machine['threads']} threads of {machine['cores']} cores "
        f"({machine['cpu']}); seeds {seeds}. Intervals: 95 %, bootstrap over what was held out."
    )
    return "\n\n".join(parts)


_MULTIOMICS = ("citeseq", "malt", "a549", "a549_orders")


def multiomics_table(content: dict[str, Any]) -> str:
    """One table for each setting of a data set."""
    if "results" not in content:
        return "Not run in full yet."
    results = content["results"]
    parts, machine = [], results["machine"]
    for title, head, body in multiomics_rows(results["runs"]):
        parts += [f"*{title}*", markdown(head, body)]
    seeds = sorted({run["seed"] for run in results["runs"]})
    parts.append(
        f"{results['date'][:10]}, commit {results['commit']}, {machine['threads']} thread(s) of "
        f"{machine['cores']} cores ({machine['cpu']}), scvi-tools "
        f"{results['versions']['scvi-tools']}; seeds {', '.join(map(str, seeds))}"
        f"{', of which brackets hold the lowest and the highest' if seeds[1:] else ''}."
    )
    return "\n\n".join(parts)


def multiomics_length_table(content: dict[str, Any]) -> str:
    """Time and memory of a cell's genes and peaks as one sequence."""
    machine = content["machine"]
    return (
        f"{markdown(*length_rows(content['rows']))}\n\n{content['date'][:10]}, commit "
        f"{content['commit']}, {machine['threads']} thread(s) of {machine['cores']} cores "
        f"({machine['cpu']}), torch {machine['torch']}."
    )


def pretraining_table(content: dict[str, Any]) -> str:
    """Tables of each tested study: zero-shot, then few labels."""
    parts, rows = [], content["rows"]
    for study in dict.fromkeys(row["study"] for row in rows):
        for scores in (ZERO_SHOT, FEW_LABELS):
            parts.append(f"*{study}*")
            parts.append(markdown(*pretraining_rows(rows, study, scores)))
    machine, seeds = content["machine"], sorted({row["seed"] for row in rows})
    parts.append(
        f"{content['date'][:10]}, commit {content['commit']}, {machine['threads']} threads of "
        f"{machine['cores']} cores ({machine['cpu']}); seeds {', '.join(map(str, seeds))}."
    )
    return "\n\n".join(parts)


def pretraining_tasks_table(content: dict[str, Any]) -> str:
    """Annotation of a new study from scratch and from a pretrained model: means over seeds."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in content["rows"]:
        groups.setdefault((row["reference"], row["start"]), []).append(row)
    names = {"accuracy": 3, "macro_f1": 3, "cpu_seconds": 1}
    body = [
        [f"{n:,}", start, *(_number(_mean([r[k] for r in rows]), d) for k, d in names.items())]
        for (n, start), rows in groups.items()
    ]
    head = ["labeled cells", "start", "accuracy", "macro-F1", "processor seconds"]
    return f"{markdown(head, body)}\n\n{_told_of_tasks(content)}"


def _told_of_tasks(content: dict[str, Any]) -> str:
    """When, where and with which seeds rows were made."""
    machine, seeds = content["machine"], sorted({row["seed"] for row in content["rows"]})
    return (
        f"{content['date'][:10]}, commit {content['commit']}, {machine['threads']} threads of "
        f"{machine['cores']} cores ({machine['cpu']}); seeds {', '.join(map(str, seeds))}."
    )


def pretraining_memory_table(content: dict[str, Any]) -> str:
    """Memory told before the start and taken, and what it ran on."""
    told = (
        f"{content['date'][:10]}, commit {content['commit']}, torch {content['versions']['torch']}."
    )
    return f"{markdown(*memory_rows(content['rows']))}\n\n{told}"


def pretraining_integration_table(content: dict[str, Any]) -> str:
    """Batch correction from scratch and from a pretrained model: means over seeds."""
    return f"{markdown(*integration_rows(content['rows']))}\n\n{_told_of_tasks(content)}"


def network_table(content: dict[str, Any]) -> str:
    """Methods by AUPRC, a table for each truth, and what they ran on."""
    machine, seeds = content["machine"], ", ".join(map(str, content["seeds"]))
    parts = []
    for truth, rows in content["rows"].items():
        known = next(iter(rows.values()))
        parts += [
            f"*{truth}: {known['n_known']:,.0f} known of {known['n_pairs']:,.0f} pairs*",
            markdown(*network_rows(rows)),
        ]
    told = (
        f"{content['cells']}: {content['n_cells']:,} cells, {content['n_factors']} factors; "
        f"{content['trees']} trees a gene. {content['date'][:10]}, commit {content['commit']}, "
        f"{machine['threads']} threads of {machine['cores']} cores ({machine['cpu']}); "
        f"seeds {seeds}."
    )
    return "\n\n".join([*parts, told])


def _annotation(content: dict[str, Any]) -> str:
    if "results" not in content:
        return "Not run in full yet."
    return annotation_table(content["results"], len(content["reads"]))


def render() -> str:
    """README.md with every block between its markers made anew."""
    draw: dict[str, Callable[[dict[str, Any]], str]] = {
        "encoder": encoder_table,
        "selective_scan": scan_table,
        "length": length_table,
        "gpu": gpu_table,
        "tokens": tokens_table,
        "streaming": streaming_table,
        "demo": demo_table,
        "growth": growth_table,
        "bridge": bridge_table,
        "stated_error": stated_error_table,
        "integration": integration_table,
        "integration_sets": integration_sets_table,
        **{f"multiomics_{name}": multiomics_table for name in _MULTIOMICS},
        "multiomics_length": multiomics_length_table,
        "perturbation_kang": perturbation_table,
        "perturbation_kang_full": perturbation_table,
        "perturbation_papalexi": perturbation_table,
        "pretraining": pretraining_table,
        "pretraining_tasks": pretraining_tasks_table,
        "pretraining_integration": pretraining_integration_table,
        "pretraining_memory": pretraining_memory_table,
        "perturbation_replogle": perturbation_table,
        "perturbation_op3": perturbation_table,
        "networks": network_table,
        "shipped_annotators": lambda content: shipped_tables(content, markdown),
        "sequence_classify": classify_table,
        "sequence_classify_capped": classify_table,
        "sequence_classify_present": classify_table,
        "sequence_mrfp": regression_table,
        "sequence_plant_promoters": regression_table,
        "sequence_cds_decay": regression_table,
    }

    def block(found: re.Match[str]) -> str:
        name = found[1]
        if name == "overview":
            table = markdown(HEAD, overview(HERE / "results"))
            return f"<!-- results: {name} -->\n\n{table}\n\n<!-- end -->"
        path = HERE / "results" / f"{name}.json"
        text = "Not run yet."
        if path.exists():
            text = draw.get(name, _annotation)(json.loads(path.read_text(encoding="utf-8")))
        return f"<!-- results: {name} -->\n\n{text}\n\n<!-- end -->"

    pattern = r"<!-- results: (\w+) -->\n.*?<!-- end -->"
    return re.sub(pattern, block, (HERE / "README.md").read_text(encoding="utf-8"), flags=re.S)


if __name__ == "__main__":
    (HERE / "README.md").write_text(render(), encoding="utf-8")
