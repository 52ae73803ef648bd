"""Labels of every kind, read, encoded and refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.tasks.sequence import read_sequences
from scmamba.tasks.sequence._supervised.targets import Targets, learn_targets, read_labels

TABLE = pd.DataFrame(
    {
        "sequence": ["ACG", "CCG", "TTT", "GGA"],
        "kind": ["b", "a", "b", "a"],
        "level": [1.0, 2.0, 4.0, 5.0],
        "x": [0, 1, 1, 0],
        "y": [True, False, True, True],
        "gap": [1, 0, None, 1],
    }
)
DATA = read_sequences(TABLE)


def learned(labels: object, task: str) -> tuple[Targets, np.ndarray]:
    raw, columns = read_labels(labels, task, DATA)
    targets = learn_targets(raw, task, columns)
    return targets, targets.encode(raw)


@pytest.mark.parametrize("labels", ["kind", list("baba"), TABLE["kind"], np.array(list("baba"))])
def test_classes(labels: object) -> None:
    targets, codes = learned(labels, "classification")
    assert targets.names == ("a", "b") and codes.tolist() == [1, 0, 1, 0]
    assert codes.dtype == np.int64


def test_classes_keep_their_type() -> None:
    targets, _ = learned(np.array([2, 10, 2, 10], dtype=np.int32), "classification")
    assert targets.names == (2, 10)
    assert learned([1.0, 0.0, 1.0, 0.0], "classification")[0].names == (0, 1)
    back = json.loads(json.dumps(asdict(targets)))
    assert back["names"] == [2, 10]


def test_numbers_are_brought_to_mean_0_and_variance_1() -> None:
    targets, numbers = learned("level", "regression")
    assert numbers.shape == (4, 1) and numbers.dtype == np.float32
    assert numbers.mean() == pytest.approx(0, abs=1e-6) and numbers.std() == pytest.approx(1)
    np.testing.assert_allclose(targets.decode(numbers)[:, 0], TABLE["level"], rtol=1e-6)
    several, _ = learned(["level", "x"], "regression")
    assert several.names == ("level", "x")


def test_several_labels() -> None:
    targets, table = learned(["x", "y"], "multilabel")
    assert targets.names == ("x", "y")
    assert table.tolist() == [[0, 1], [1, 0], [1, 1], [0, 1]]
    assert learned(TABLE[["x", "y"]].to_numpy(), "multilabel")[0].names == ("0", "1")


def test_labels_of_tokens() -> None:
    targets, rows = learned([list("eee"), list("iie"), ["e", None, "i"], "iii"], "token")
    assert targets.names == ("e", "i")
    assert [row.tolist() for row in rows] == [[0, 0, 0], [1, 1, 0], [0, -100, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("labels", "task", "message"),
    [
        ("kind", "ranking", "task='ranking'; allowed: 'classification'"),
        ("sort", "classification", "came with 'kind', .*not with 'sort'"),
        ([0, 1], "classification", "2 labels for 4 sequences"),
        ("gap", "classification", "1 labels are missing, the first at position 2"),
        ("level", "multilabel", "each is 0 or 1"),
        ([0.5, 1.5, 2.5, 3.5], "classification", 'set task="regression"'),
        (list("aaaa"), "classification", "give at least two classes"),
        ("kind", "regression", "column 'kind' of the labels: sequence '0' .row 1. is 'b'"),
        ("gap", "regression", "column 'gap' of the labels: sequence '2' .row 3. is missing"),
        ([3.0] * 4, "regression", "is the same for every sequence"),
        ([list("ei"), list("iie"), list("iie"), list("iii")], "token", "3 nucleotides and 2"),
    ],
)
def test_what_cannot_be_learned(labels: object, task: str, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        learned(labels, task)


def test_labels_of_a_csv_file_are_converted_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,sequence,kind,dose,on\n7,AC,1.10,1.5,True\n08,CC,1E5,2,0\n9,GG,1.1,?,1\n")
    data = read_sequences(path)
    assert read_labels("kind", "classification", data)[0].tolist() == ["1.10", "1E5", "1.1"]
    assert read_labels("on", "multilabel", data)[0].tolist() == [[1], [0], [1]]
    with pytest.raises(ScmambaError, match=r"'dose' of .*t.csv: sequence '9' \(row 3\) is '\?'"):
        read_labels("dose", "regression", data)
    path.write_text("sequence,kind\nAC,a\nCC,NA\nGG,\n")
    with pytest.raises(ScmambaError, match="2 labels are missing, the first at position 1"):
        read_labels("kind", "classification", read_sequences(path))


def test_classes_of_a_file_are_those_of_a_table() -> None:
    targets, _ = learned(["0", "1", "1", "0"], "classification")
    assert targets.names == ("0", "1")
    assert targets.encode(np.array([1, 0, 1.0], dtype=object)).tolist() == [1, 0, 1]
    assert learned([1, 0, 1, 0], "classification")[0].encode(np.array(["1", " 0"])).tolist() == [
        1,
        0,
    ]


def test_numbers_taken_for_classes() -> None:
    data = read_sequences(["ACGT"] * 40)
    raw, columns = read_labels(list(range(40)), "classification", data)
    with pytest.raises(ScmambaError, match="40 different values for 40 sequences"):
        learn_targets(raw, "classification", columns)


def test_strangers_among_validation_labels() -> None:
    targets, _ = learned("kind", "classification")
    with pytest.raises(ScmambaError, match="labels hold z, which no training sequence has"):
        targets.encode(np.array(["a", "z"], dtype=object))
    several, _ = learned(["x", "y"], "multilabel")
    with pytest.raises(ScmambaError, match="labels have 1 columns, in training 2"):
        several.encode(np.zeros((4, 1)))
