"""What is to be predicted, from whatever a user holds it in, as arrays that losses take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._text import holds_measurements, label_text, label_texts
from scmamba.learn.calibration import Kind
from scmamba.tasks.sequence._inputs import Sequences
from scmamba.tokens.nucleotides.masking import IGNORED

TASKS = ("classification", "multilabel", "regression", "token")
_FEW = 10
"""So many classes are taken for classes however few the sequences are."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Targets:
    """What a predictor predicts.

    Attributes
    ----------
    task
        One of ``TASKS``.
    names
        Classes, sorted; or names of the labels or numbers.
    mean, scale
        Of the numbers in training (regression), which are brought to 0 and 1; else empty.
    """

    task: str
    names: tuple[Any, ...]
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kind(self) -> Kind:
        """What a loss sees: nucleotides have classes, as sequences have."""
        kinds: dict[str, Kind] = {"multilabel": "multilabel", "regression": "regression"}
        return kinds.get(self.task, "classification")

    def encode(self, raw: Array) -> Array:
        """Arrays for training from what :func:`read_labels` gave.

        Returns
        -------
        (n,) int64 classes; (n, n_labels) float32 of 0 and 1; (n, n_numbers) float32 of mean 0 and
        variance 1; or (n,) objects, each (length,) int64 classes of tokens, -100 where missing.

        Raises
        ------
        ScmambaError
            There is a class or a number of columns that training did not have.
        """
        if self.task == "classification":
            return self._codes(raw)
        if self.task == "token":
            coded = np.empty(len(raw), dtype=object)
            for i, labels in enumerate(raw):
                known = ~pd.isna(labels)
                row = np.full(len(labels), IGNORED, dtype=np.int64)
                row[known] = self._codes(labels[known])
                coded[i] = row
            return coded
        if raw.shape[1] != len(self):
            raise ScmambaError(f"labels have {raw.shape[1]} columns, in training {len(self)}")
        if self.task == "multilabel":
            return raw.astype(np.float32)
        return ((raw - np.array(self.mean)) / np.array(self.scale)).astype(np.float32)

    def decode(self, numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Numbers (n, n_numbers) in their own units (regression)."""
        return numbers * np.array(self.scale) + np.array(self.mean)

    def _codes(self, labels: Array) -> npt.NDArray[np.int64]:
        place = {label_text(name): i for i, name in enumerate(self.names)}
        texts, _ = label_texts(labels)
        if strangers := set(texts) - set(place):
            raise ScmambaError(
                f"labels hold {', '.join(sorted(strangers)[:5])}, which no training sequence has; "
                f"classes are {', '.join(map(str, self.names[:10]))}"
            )
        return np.array([place[x] for x in texts], dtype=np.int64)


def learn_targets(raw: Array, task: str, columns: Sequence[str]) -> Targets:
    """Return what there is to predict, from the labels of the training part.

    Parameters
    ----------
    raw
        From :func:`read_labels`.
    task
        One of ``TASKS``.
    columns
        Names of labels or numbers.

    Raises
    ------
    ScmambaError
        There are fewer than two classes, nearly as many as sequences, or a number never changes.
    """
    if task in ("classification", "token"):
        labels = raw if task == "classification" else np.concatenate(list(raw))
        labels = labels[~pd.isna(labels)]
        names = sorted(set(labels.tolist()), key=lambda x: (isinstance(x, str), x))
        if len(names) < 2:
            raise ScmambaError(f"labels hold {names or 'nothing'}; give at least two classes")
        if task == "classification" and len(names) > max(_FEW, len(labels) / 2):
            raise ScmambaError(
                f"labels hold {len(names):,} different values for {len(labels):,} sequences; for "
                'numbers set task="regression"'
            )
        return Targets(task, tuple(names))
    if task == "multilabel":
        return Targets(task, tuple(columns))
    scale = raw.std(0)
    if (still := np.flatnonzero(scale == 0)).size:
        raise ScmambaError(f"{columns[still[0]]} is the same for every sequence; leave it out")
    return Targets(task, tuple(columns), tuple(raw.mean(0).tolist()), tuple(scale.tolist()))


def read_labels(labels: Any, task: str, data: Sequences) -> tuple[Array, list[str]]:
    """Labels of sequences, checked, one row per sequence.

    Parameters
    ----------
    labels
        Column (or columns) of the table that held the sequences, or a list, array, Series or
        DataFrame; of tokens a list with a label a nucleotide for each sequence.
    task
        One of ``TASKS``.
    data
        The sequences.

    Returns
    -------
    Classes (n,) of any kind; 0 and 1 (n, n_labels); numbers (n, n_numbers); or (n,) objects of
    (length,) labels. And the names of labels or numbers.

    Raises
    ------
    ScmambaError
        A column is missing, lengths differ, a label is missing or of the wrong kind.
    """
    if task not in TASKS:
        raise ScmambaError(f"task={task!r}; allowed: {', '.join(map(repr, TASKS))}")
    labels = _column(labels, task, data)
    n = len(labels)
    if n != len(data):
        raise ScmambaError(f"{n} labels for {len(data)} sequences; give one for each")
    if task == "token":
        return _of_tokens(labels, data), []
    if task == "classification":
        return _classes(labels), []
    table = labels if isinstance(labels, pd.DataFrame) else pd.DataFrame(np.asarray(labels))
    values = _numbers(table, task, data)
    if task == "multilabel" and not np.isin(values, (0, 1)).all():
        raise ScmambaError("of several labels each is 0 or 1; give a table, one column a label")
    return values, [str(name) for name in table.columns]


def _numbers(table: pd.DataFrame, task: str, data: Sequences) -> npt.NDArray[np.float64]:
    """Columns as numbers, text too; of several labels True and False as 1 and 0.

    Raises
    ------
    ScmambaError
        A value is missing, not finite or no number; it is named with its column and sequence.
    """
    values = np.empty(table.shape, dtype=np.float64)
    for k, (name, column) in enumerate(table.items()):
        if task == "multilabel":
            words = column.astype(str).str.strip().str.lower()
            column = column.mask(words == "true", 1).mask(words == "false", 0)
        values[:, k] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        if (wrong := np.flatnonzero(~np.isfinite(values[:, k]))).size:
            found = column.iloc[wrong[0]]
            missing = label_texts([found])[1][0]
            what = "missing" if missing else f"{str(found)[:40]!r}"
            raise ScmambaError(
                f"column {name!r} of the labels: {data.describe(int(wrong[0]))} (row "
                f"{wrong[0] + 1}) is {what}, and task={task!r} needs finite numbers "
                f"({wrong.size} of {len(values)} are none); mend them, or leave those sequences out"
            )
    return values


def _column(labels: Any, task: str, data: Sequences) -> Any:
    named = isinstance(labels, str) or (
        task in ("multilabel", "regression")
        and isinstance(labels, list)
        and bool(labels)
        and all(isinstance(name, str) for name in labels)
    )
    if not named:
        return list(labels) if isinstance(labels, Mapping) else labels
    wanted = [labels] if isinstance(labels, str) else labels
    if len(wanted) == len(data) > len(data.obs.columns):
        raise ScmambaError(
            f"labels hold text such as {wanted[0]!r}; task={task!r} needs numbers, or the names of "
            "columns"
        )
    if lacking := [name for name in wanted if name not in data.obs]:
        raise ScmambaError(
            f"labels={labels!r}: the sequences came with "
            f"{', '.join(map(repr, data.obs.columns)) or 'no table'}, not with {lacking[0]!r}; "
            "name a column, or give one label a sequence"
        )
    return data.obs[wanted] if task in ("multilabel", "regression") else data.obs[labels]


def _classes(labels: Iterable[Any]) -> Array:
    """Classes as numbers or booleans where all are, else as text."""
    names = np.array([_plain(x) for x in labels], dtype=object)
    texts, missing = label_texts(names)
    if missing.any():
        raise ScmambaError(
            f"{int(missing.sum())} labels are missing, the first at position {missing.argmax()}; "
            "leave those sequences out"
        )
    if holds_measurements(names):
        raise ScmambaError('labels hold measurements, not classes; set task="regression"')
    alike = any(all(type(x) is kind for x in names) for kind in (int, bool))
    return names if alike else texts


def _of_tokens(labels: Iterable[Any], data: Sequences) -> Array:
    rows = np.empty(len(data), dtype=object)
    for i, (row, sequence) in enumerate(zip(labels, data.sequences, strict=True)):
        rows[i] = np.array([_plain(x) for x in row], dtype=object)
        if len(rows[i]) != len(sequence):
            raise ScmambaError(
                f"sequence {data.names[i]!r} has {len(sequence)} nucleotides and {len(rows[i])} "
                "labels; give one label a nucleotide (None where it is not known)"
            )
    return rows


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold; whole floats (of a column with gaps) as int."""
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value
