"""Tables of benchmarks/README.md are drawn from results, earlier ones too."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("_multiomics_tables", "_overview", "_tables", "growth")
    yield {name: importlib.import_module(name) for name in names}
    for name in (
        "_multiomics_tables",
        "_overview",
        "_overview_lines",
        "_tables",
        "growth",
        "_results",
        "_timing",
        "make_cells",
    ):
        sys.modules.pop(name, None)


def annotation_results() -> dict:
    peer = {"accuracy": 0.9, "macro_f1": 0.84, "ece": 0.04, "seconds": 14.1}
    ours = {"accuracy": 0.95, "macro_f1": 0.86, "ece": 0.01, "seconds": 40.0, "cpu_seconds": 61.0}
    minus = {"mean": 0.02, "low": 0.01, "high": 0.03}
    other = {**peer, "macro_f1": 0.7}
    return {
        "results": {
            "mean": {"scmamba": ours, "scmamba, wide alone": ours, "balanced": peer, "kNN": other},
            "differences": {
                "minus kNN": {},
                "scmamba minus": {"balanced": {"macro_f1": minus}, "kNN": {"macro_f1": minus}},
            },
        }
    }


def test_the_first_screen_names_the_best_peer(scripts, tmp_path: Path) -> None:
    (tmp_path / "annotation_kang.json").write_text(json.dumps(annotation_results()))
    (tmp_path / "annotation_demo.json").write_text(json.dumps({"reads": []}))  # not run yet
    (row,) = scripts["_overview"].overview(tmp_path)
    assert row[1:] == [
        "macro-F1",
        "0.860",
        "balanced",
        "0.840",
        "+0.020 [+0.010, +0.030]",
        "40 (61)",
        "14",
    ]
    assert len(row) == len(scripts["_overview"].HEAD)


def test_lost_comparisons_stand_on_the_first_screen(scripts, tmp_path: Path) -> None:
    def score(value: float) -> dict:
        return {"spearman": {"mean": value}, "seconds": 1.0}

    rows = {"scmamba": score(0.3), "scmamba, linear alone": score(0.5), "ridge": score(0.4)}
    screen = {"scmamba": {"pearson_delta_top": 0.6}, "mean": {"pearson_delta_top": 0.7}}
    runs = [
        {"method": name, "setting": "embedding", "seed": seed, "knn_accuracy": value}
        for name, seed, value in [("scmamba", 0, 0.9), ("scmamba", 1, 0.8), ("PCA", 0, 0.9)]
    ]

    def run(total: float) -> dict:
        return {"seed": 0, "seconds": 1.0, "scores": {"Total": total}}

    methods = {"scmamba": [run(0.8)], "harmony": [run(0.7)], "scanvi": [run(0.9)]}
    other = {"scmamba": [run(0.6)], "harmony": [run(0.9)]}
    sets = {"lung": {"methods": methods}, "twelve": {"methods": other}}
    results = {
        "integration_sets": {"results": {"sets": sets}},
        "sequence_cds_decay": {"results": {"rows": rows}},
        "perturbation_kang": {"tables": {"kang": screen}, "headline": "pearson_delta_top"},
        "multiomics_citeseq": {"results": {"runs": runs}},
    }
    for name, content in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    table = scripts["_overview"].overview(tmp_path)
    assert [row[3] for row in table] == ["Harmony", "PCA", "mean", "ridge"]
    assert [row[5] for row in table] == ["-0.100", "-0.050", "-0.100", "-0.100"]


def test_rows_of_modalities_have_the_range_over_seeds(scripts, tmp_path: Path) -> None:
    scores = {"scmamba": (0.9, 0.8), "totalVI": (0.7, 0.7)}
    runs = [
        {"method": name, "setting": "embedding", "seed": seed, "knn_accuracy": value}
        for name, values in scores.items()
        for seed, value in enumerate(values)
    ]
    (tmp_path / "multiomics_citeseq.json").write_text(json.dumps({"results": {"runs": runs}}))
    (row,) = scripts["_overview"].overview(tmp_path)
    assert row[5] == "+0.150 [+0.100, +0.200]"


def test_results_that_are_there_are_drawn_in_present_words(scripts) -> None:
    page = scripts["_tables"].render()
    assert "wide alone" not in page.split("-->", 1)[1].replace("*", "").split("## Sequence")[0]
    assert "strangers" not in page and "| ECE |" in page
    assert "processor seconds" in page


def test_growth_is_the_slope_between_sizes(scripts) -> None:
    rows = [
        {"cells": 1_000, "cpu_seconds": 2.0},
        {"cells": 10_000, "cpu_seconds": 20.0},
        {"cells": 100_000, "cpu_seconds": 2000.0},
        {"cells": 1_000_000, "stopped": "after 60 s"},
    ]
    found = scripts["growth"].exponents(rows, "cells", "cpu_seconds")
    assert found[:2] == pytest.approx([1, 2]) and found[2] is None


def test_tables_of_modalities_hold_means_and_the_range_over_seeds(scripts) -> None:
    def run(method: str, seed: int, **scores: float) -> dict:
        return {"setting": "imputation", "method": method, "seed": seed, **scores}

    runs = [
        run("mean", 0, mean_pearson_per_gene=0.0, rmse=1.5, cpu_seconds=0.1),
        run("ours", 0, mean_pearson_per_gene=0.8, rmse=0.7, cpu_seconds=30.0),
        run("ours", 1, mean_pearson_per_gene=0.9, rmse=0.7, cpu_seconds=40.0),
        run("not placed", 0, rmse=2.0),
    ]
    ((title, head, body),) = scripts["_multiomics_tables"].multiomics_rows(runs)
    assert title.startswith("Imputation")
    assert head == ["", "mean Pearson of proteins", "RMSE", "processor seconds"]
    assert body == [
        ["ours", "0.850 [0.800, 0.900]", "0.700", "35.0"],
        ["mean", "0.000", "1.500", "0.1"],
        ["not placed", "", "2.000", ""],
    ]


def test_the_table_of_lengths_has_time_and_memory_of_both_layers(scripts) -> None:
    mamba, attention = (
        {"cpu_seconds": seconds, "bytes": mebibytes << 20}
        for seconds, mebibytes in ((0.25, 30), (1.5, 2000))
    )
    rows = [{"length": 1000, "mamba": mamba, "attention": attention}]
    head, body = scripts["_multiomics_tables"].length_rows(rows)
    assert body == [["1,000", "0.25", "30", "1.5", "2,000"]] and len(head) == 5
