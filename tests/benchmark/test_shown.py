"""Results of comparisons show a table of methods."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from scmamba.benchmark import AnnotationBenchmark, IntegrationBenchmark, SequenceBenchmark

RUNS = pd.DataFrame({"method": ["PCA", "kNN"], "seed": 0, "macro_f1": [0.7, 0.8]})
TOTALS = RUNS.rename(columns={"macro_f1": "Total"}).assign(**{"labels used": False})
BY_TASK = RUNS.assign(task="promoter")
none: Any = None


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (AnnotationBenchmark(RUNS), "annotation"),
        (IntegrationBenchmark(TOTALS, none, none), "batch correction"),
        (SequenceBenchmark(BY_TASK, BY_TASK.set_index("method"), BY_TASK), "sequence classifiers"),
    ],
    ids=["annotation", "integration", "sequence"],
)
def test_methods_and_their_scores_are_shown(found: Any, what: str) -> None:
    first, *table = repr(found).splitlines()
    assert first == f"comparison of {what}, 2 methods, 1 seed"
    assert any(line.startswith("kNN") and "0.800" in line for line in table)
    assert "<table" in found._repr_html_()
