"""The four pictures of a benchmark hold the numbers they were given."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scmamba import ScmambaError
from scmamba.pl import (
    benchmark_by_category,
    benchmark_by_task,
    benchmark_efficiency,
    benchmark_radar,
)

METHODS = ["mamba", "cnn", "scmamba, deep alone"]
TASKS = {"H3": "histone", "H4": "histone", "promoter_no_tata": "promoter", "splice": "splice site"}


@pytest.fixture
def by_task() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(t, c, m, *rng.uniform(0.1, 0.9, 2)) for t, c in TASKS.items() for m in METHODS]
    return pd.DataFrame(rows, columns=["task", "category", "method", "mcc", "accuracy"])


@pytest.fixture
def summary() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "mcc": [0.5, 0.4, 0.6],
            "mcc_low": [0.45, 0.35, 0.5],
            "mcc_high": [0.55, 0.45, 0.7],
            "seconds": [900.0, 60.0, 120.0],
            "n_parameters": [5.26e6, 2.1e6, 9.9e4],
        },
        index=pd.Index(METHODS, name="method"),
    )
    return table


def everything_is_inside(figure: Figure) -> bool:
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize("score", ["mcc", "accuracy"])
def test_a_dot_a_method_and_task(by_task: pd.DataFrame, score: str) -> None:
    figure = benchmark_by_task(by_task, score)
    (axes,) = figure.axes
    labels = [label.get_text().split("  ")[0] for label in axes.get_yticklabels()]
    dots = axes.collections[1:]
    assert [dot.get_label() for dot in dots] == METHODS
    for dot, method in zip(dots, METHODS, strict=True):
        mine = by_task[by_task["method"] == method].set_index("task")[score]
        for x, y in dot.get_offsets():
            assert x == pytest.approx(mine[labels[int(y)]])
    best = by_task.groupby("task")[score].max()
    assert best[labels].is_monotonic_increasing
    assert everything_is_inside(figure)
    alike = benchmark_by_task(by_task.assign(category="other"), score).axes[0]
    assert [label.get_text() for label in alike.get_yticklabels()] == labels


def test_bars_are_means_over_tasks(by_task: pd.DataFrame) -> None:
    figure = benchmark_by_category(by_task)
    (axes,) = figure.axes
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["histone (2)", "promoter (1)", "splice site (1)"]
    means = by_task.groupby(["method", "category"])["mcc"].mean()
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    for method, found in zip(METHODS, heights, strict=True):
        expected = [means[method, c] for c in ("histone", "promoter", "splice site")]
        assert found == pytest.approx(expected)
    assert everything_is_inside(figure)


def test_radar_has_an_axis_a_category_or_a_task(by_task: pd.DataFrame) -> None:
    figure = benchmark_radar(by_task)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["histone", "promoter", "splice site"]
    radius = np.asarray(axes.lines[0].get_ydata())
    assert radius[0] == radius[-1] and len(radius) == 4
    mine = by_task[by_task["method"] == "mamba"].groupby("category")["mcc"].mean()
    assert radius[:3] == pytest.approx(mine[["histone", "promoter", "splice site"]].to_numpy())
    assert everything_is_inside(figure)
    alike = by_task.assign(category="other")
    alike.loc[0, "mcc"] = -0.2
    axes = benchmark_radar(alike).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == list(TASKS)
    assert np.asarray(axes.lines[0].get_ydata())[0] == 0
    with pytest.raises(ScmambaError, match="needs three axes or more, and there are 2 tasks"):
        benchmark_radar(by_task[by_task["category"] == "histone"])


def test_cost(summary: pd.DataFrame) -> None:
    figure = benchmark_efficiency(summary)
    (axes,) = figure.axes
    dots = axes.collections[-1]
    assert np.asarray(dots.get_offsets())[:, 1] == pytest.approx([0.5, 0.4, 0.6])
    assert np.argsort(dots.get_sizes()).tolist() == [2, 1, 0]
    texts = " ".join(text.get_text() for text in axes.texts)
    assert "5.26 M" in texts and "99 k" in texts
    assert everything_is_inside(figure)
    without = summary.drop(columns=["mcc_low", "mcc_high"])
    assert len(benchmark_efficiency(without).axes[0].collections) == 1


def test_labels_of_close_dots_do_not_lie_on_one_another(summary: pd.DataFrame) -> None:
    summary["mcc"], summary["seconds"] = [0.60, 0.61, 0.59], [100.0, 110.0, 105.0]
    figure = benchmark_efficiency(summary)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    labels = [text for text in figure.axes[0].texts if "\n" in text.get_text()]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in labels]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_wrong_tables(by_task: pd.DataFrame, summary: pd.DataFrame) -> None:
    with pytest.raises(ScmambaError, match="no column 'macro_f1'"):
        benchmark_by_task(by_task, "macro_f1")
    with pytest.raises(ScmambaError, match="the table is empty"):
        benchmark_by_category(by_task.iloc[:0])
    with pytest.raises(ScmambaError, match="no column 'seconds'"):
        benchmark_efficiency(summary.drop(columns="seconds"))
