"""Which cells count as labeled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmamba._errors import ScmambaError
from scmamba.metrics import annotation
from scmamba.tasks import _labels as labels
from scmamba.tasks._labels import read_batches, read_labels


def read(values, category="unknown"):
    return read_labels(pd.DataFrame({"y": values}), "y", category, "adata.obs")


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", None, "UNKNOWN", "unknown", " Unknown ", "", "a"],
        pd.Categorical(["b", "a", None, "UNKNOWN", "unknown", "Unknown", "", "a"]),
        pd.array(["b", "a", pd.NA, "UNKNOWN", "unknown", "Unknown", "", "a"], dtype="string"),
        np.array(["b", "a", np.nan, "UNKNOWN", "unknown", "Unknown", "", "a"], dtype=object),
    ],
    ids=["list", "categorical", "string", "object"],
)
def test_missing_and_unknown_in_any_case(values) -> None:
    found = read(values)
    assert found.classes == ("a", "b")
    assert found.codes.tolist() == [1, 0, -1, -1, -1, -1, -1, 0]
    assert found.rows.tolist() == [0, 1, 7]


def test_another_category() -> None:
    found = read(["a", "b", "Unassigned", "unknown"], "unassigned")
    assert found.classes == ("a", "b", "unknown")
    assert found.codes.tolist() == [0, 1, -1, 2]


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([1, 2, 2, 10], ("1", "10", "2")),
        ([1.0, 2.0, np.nan, 10.0], ("1", "10", "2")),
        (pd.array([1, 2, None, 10], dtype="Int64"), ("1", "10", "2")),
        ([True, False, True, True], ("False", "True")),
        (pd.Categorical([1, 2, None, 2]), ("1", "2")),
        (pd.Categorical(["a", "b", "b", "b"], categories=["a", "b", "never"]), ("a", "b")),
    ],
)
def test_numbers_and_categories_as_labels(values, classes) -> None:
    assert read(values).classes == classes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a", "a"], "holds only 'a'; at least two"),
        (["a", None, "Unknown"], "holds only 'a'"),
        ([None, "unknown", ""], "no label at all"),
        ([0.5, 1.7, np.nan], "holds measurements"),
        ([1.0, np.inf, 2.0], "holds measurements"),
        (pd.array([0.5, 1.7, None], dtype="Float64"), "holds measurements"),
        (list(range(30)), "holds 30 different values for 30 cells"),
        ([f"AAAC-{i}" for i in range(30)], "names, not labels"),
    ],
)
def test_what_cannot_be_learned_is_refused(values, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        read(values)


def test_missing_column_names_the_others() -> None:
    with pytest.raises(ScmambaError, match="labels_key='z' is not a column of adata.obs.*'y'"):
        read_labels(pd.DataFrame({"y": [1]}), "z", "unknown", "adata.obs")


def test_a_class_with_one_cell_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(labels.logger, "warning", lambda text, *rest: told.append(text % rest))
    assert read(["a", "a", "b", "c", "c"]).classes == ("a", "b", "c")
    assert len(told) == 1
    assert told[0].endswith("cannot be validated: b")


def test_labels_read_are_those_that_scores_read() -> None:
    """Labels that are numbers or carry blanks are written and scored as the same text."""
    truth = pd.Series([1.0, 2.0, np.nan, 1.0, 2.0])
    found = read(truth)
    written = np.array(found.classes)[found.codes[found.rows]]
    assert annotation(truth.dropna(), written).accuracy == 1


def test_text_for_nothing_is_no_class() -> None:
    assert read(["a", "b", "nan", "NA", "<NA>", "None", "a "]).classes == ("a", "b")


def test_a_column_that_occurs_twice_is_refused() -> None:
    twice = pd.DataFrame([["a", "b"]], columns=["y", "y"])
    with pytest.raises(ScmambaError, match="occurs more than once in adata.obs"):
        read_labels(twice, "y", "unknown", "adata.obs")


def test_batches_are_needed_where_cells_are_learned_from() -> None:
    obs = pd.DataFrame({"donor": [1.0, 2.0, None, "NA"]})
    given = read_batches(obs, "donor", "adata.obs", needed=np.array([0, 1]))
    assert given.tolist() == ["1", "2", "", ""]
    with pytest.raises(ScmambaError, match="is missing for 1 labeled cell"):
        read_batches(obs, "donor", "adata.obs", needed=np.array([0, 2]))
    with pytest.raises(ScmambaError, match=r"adata.obs\['donor'\] is missing for 2 cell"):
        read_batches(obs, "donor", "adata.obs")
    with pytest.raises(ScmambaError, match="batch_key='lane' is not a column of adata.obs"):
        read_batches(obs, "lane", "adata.obs")
