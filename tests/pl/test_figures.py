"""Confusion matrix, reliability diagram and training curve hold the numbers they were given."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scmamba import ScmambaError
from scmamba.metrics import annotation, calibration_table
from scmamba.pl import confusion, reliability, training_curve


def everything_is_inside(figure: Figure) -> bool:
    renderer = FigureCanvasAgg(figure).get_renderer()
    box = figure.get_tightbbox(renderer)  # inches
    width, height = figure.get_size_inches()
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_confusion_shows_counts_and_shares() -> None:
    truth = ["B"] * 8 + ["a rather long name of a T cell"] * 2
    guess = ["B"] * 6 + ["NK"] * 2 + ["B"] + ["a rather long name of a T cell"]
    counts = annotation(truth, guess).confusion
    figure = confusion(counts)
    axes = figure.axes[0]
    texts = {
        (int(t.get_position()[1]), int(t.get_position()[0])): t.get_text()
        for t in axes.texts
        if t.get_text().isdigit()
    }
    assert texts == {(r, c): str(n) for (r, c), n in np.ndenumerate(counts.to_numpy()) if n}
    shares = np.asarray(axes.images[0].get_array())
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert shares.max() == pytest.approx(0.75)
    assert everything_is_inside(figure)


def test_confusion_of_many_labels_fits() -> None:
    names = [f"type {i}" for i in range(40)]
    assert everything_is_inside(confusion(pd.DataFrame(np.eye(40, dtype=int), names, names)))


def test_reliability_draws_the_bins_of_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 200)
    correct = rng.uniform(size=200) < confidence
    figure = reliability(confidence, correct)
    table = calibration_table(confidence, correct)
    table = table[table["n_cells"] > 0]
    points = np.asarray(figure.axes[0].collections[-1].get_offsets())
    assert points == pytest.approx(table[["confidence", "accuracy"]].to_numpy())
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert sum(heights) == 200
    assert everything_is_inside(figure)


def history() -> pd.DataFrame:
    epochs = np.arange(6)
    return pd.DataFrame(
        {
            "gep": 1 / (1 + epochs),
            "cls": [np.nan, np.nan, 3, 2, 1, 0.5],
            "val_macro_f1": [np.nan, np.nan, 0.4, 0.7, 0.6, 0.6],
            "val_loss": [np.nan, np.nan, 0.4, 0.3, 0.2, 0.3],
            "stage": ["pretrain"] * 2 + ["fit"] * 4,
        }
    )


def subtitles(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["validation loss 0.200 at epoch 4", "validation macro f1 0.600 at epoch 4"]),
        ({"metric": "val_macro_f1"}, ["loss 0.300 at epoch 3", "macro f1 0.700 at epoch 3"]),
    ],
)
def test_training_curve_marks_the_epoch_that_was_kept(
    arguments: dict[str, str], expected: list[str]
) -> None:
    figure = training_curve(history(), **arguments)
    assert all(text in subtitles(figure) for text in expected)
    assert "pretrain" in subtitles(figure)
    losses = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert losses == ["validation loss", "training gep", "training cls"]
    assert everything_is_inside(figure)


def test_stages_that_count_anew_are_drawn_one_after_another() -> None:
    first = pd.DataFrame({"gep": [3.0, 2.0], "val_loss": [0.1, 0.2], "stage": "pretrain"}, [1, 2])
    second = pd.DataFrame({"cls": [3.0, 2.0], "val_loss": [9.0, 8.0], "stage": "fit"}, [1, 2])
    figure = training_curve(pd.concat([first, second]))
    assert "validation loss 8.000 at epoch 4" in subtitles(figure)
    lines = {line.get_label(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert lines["training gep"] == [1, 2]
    assert lines["training cls"] == [3, 4]


def test_validation_parts_are_losses_and_parts_that_equal_the_total_are_left_out() -> None:
    loss, held = [3.0, 2.0], [3.5, 2.5]
    columns = {"train_cls": loss, "train_loss": loss, "val_cls": held, "val_loss": held}
    figure = training_curve(pd.DataFrame(columns | {"val_accuracy": [0.1, 0.2]}, index=[1, 2]))
    shown = [[line.get_label() for line in axes.get_legend().get_lines()] for axes in figure.axes]
    assert shown == [["training loss", "validation loss"], ["validation accuracy"]]
    training, validation = figure.axes[0].lines[:2]
    assert training.get_color() == validation.get_color()
    assert training.get_linestyle() != validation.get_linestyle()


def test_training_curve_of_losses_alone() -> None:
    assert len(training_curve(history()[["gep"]]).axes) == 1


def test_no_part_is_pressed_flat_by_a_large_one() -> None:
    parts = pd.DataFrame({"nb": [300.0, 200.0], "dab": [1.4, 1.1], "stage": ["a", "b"]}, [1, 2])
    axes = training_curve(parts).axes[0]
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert 0.5 < low < 1.1 and 300 < high < 1200
    assert training_curve(parts.assign(dab=-1.0)).axes[0].get_yscale() == "linear"
    assert training_curve(history()).axes[0].get_yscale() == "linear"


def test_errors() -> None:
    with pytest.raises(ScmambaError, match="no numbers"):
        training_curve(pd.DataFrame({"stage": ["a"]}))
    with pytest.raises(ScmambaError, match="'val_x' is not in history"):
        training_curve(history(), "val_x")
    with pytest.raises(ScmambaError, match="at least one row"):
        confusion(pd.DataFrame())


def test_pyplot_is_left_alone() -> None:
    backend, open_figures = matplotlib.get_backend(), plt.get_fignums()
    rc = dict(matplotlib.rcParams)
    training_curve(history()).savefig("/dev/null", format="png")
    assert (matplotlib.get_backend(), plt.get_fignums()) == (backend, open_figures)
    assert dict(matplotlib.rcParams) == rc
