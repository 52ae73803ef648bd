"""Objects show what they hold, in a terminal and in a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from scmamba.tasks import Annotator, Integrator
from scmamba.tasks import sequence as sq

V1 = Path(__file__).parent / "saved" / "v1"


@pytest.mark.parametrize(
    ("load", "name", "shown"),
    [
        (Annotator.load, "annotator", ["3: type_0, type_1, type_2", "held-out cells", "accuracy"]),
        (Integrator.load, "integrator", ["3: batch_0, batch_1, batch_2", "counts", "60"]),
        (sq.load, "predictor", ["classification", "2: 0, 1", "held-out sequences", "mcc"]),
    ],
)
def test_what_is_shown(load, name, shown) -> None:
    thing = load(V1 / name)
    text, html = repr(thing), thing._repr_html_()
    assert 3 <= len(text.splitlines()) <= 12
    for part in shown:
        assert part in text and part in html
    assert html.startswith("<div>") and "<table>" in html


def test_scores_show_themselves() -> None:
    import pandas as pd

    from scmamba import metrics

    scores = [
        metrics.annotation(["B", "T", "T"], ["B", "T", "B"]),
        metrics.classification([0, 1, 1], [0, 1, 0]),
        metrics.regression([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]),
        metrics.IntegrationScores(pd.DataFrame({"Total": [0.5]}, ["X_pca"]), {}, 9, 8),
    ]
    shown = ["0.667", "0.667", "0.333", "0.500"]
    for one, value in zip(scores, shown, strict=True):
        assert value in repr(one) and value in one._repr_html_()
        assert "(" not in repr(one).splitlines()[0]
