"""Scores of a benchmark of sequence classifiers, as its pictures need them."""

from __future__ import annotations

import pandas as pd

from scmamba._errors import ScmambaError

SCORE_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "mcc": "MCC"}
"""Titles of axes."""


def scores_by_task(by_task: pd.DataFrame, score: str) -> tuple[pd.DataFrame, pd.Series]:
    """Scores (tasks, methods) in the order given, and the category of each task."""
    check_columns(by_task, ["task", "category", "method", score])
    tasks, methods = by_task["task"].unique(), by_task["method"].unique()
    values = by_task.pivot_table(score, "task", "method").reindex(index=tasks, columns=methods)
    return values, by_task.drop_duplicates("task").set_index("task")["category"]


def scores_by_category(by_task: pd.DataFrame, score: str) -> tuple[pd.DataFrame, pd.Series]:
    """Mean scores (categories, methods), and the number of tasks of each category."""
    values, categories = scores_by_task(by_task, score)
    means = values.groupby(categories, sort=False).mean()
    return means, categories.value_counts()


def check_columns(table: pd.DataFrame, columns: list[str]) -> None:
    """Raise ScmambaError where a table is empty or lacks a column."""
    if lacking := [name for name in columns if name not in table]:
        raise ScmambaError(
            f"the table has no column {lacking[0]!r}; it has {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise ScmambaError("the table is empty; run the benchmark on at least one task")
