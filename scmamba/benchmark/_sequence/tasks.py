"""Tasks with a split of their own: folders of csv files, or those of the Nucleotide Transformer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.datasets import nucleotide_transformer, nucleotide_transformer_tasks
from scmamba.learn.folds import fold_of
from scmamba.tasks.sequence._inputs import read_sequences
from scmamba.tasks.sequence._supervised.split import groups
from scmamba.tasks.sequence._supervised.targets import read_labels
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

_VALIDATION = ("dev", "val", "validation", "valid")
_HELD = 10
"""One in so many training sequences is held out where a task has no validation split."""
OTHER = "other"


@dataclass(frozen=True)
class Part:
    """One split of a task.

    Attributes
    ----------
    texts
        (n,) sequences in upper case, U written as T.
    labels
        (n,) classes.
    """

    texts: tuple[str, ...]
    labels: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: npt.NDArray[np.int64]) -> Part:
        """Return the sequences ``rows`` alone."""
        return Part(tuple(self.texts[i] for i in rows), self.labels[rows])


@dataclass(frozen=True)
class SequenceTask:
    """A classification task.

    Attributes
    ----------
    name, category
        What it is called, and what it is like.
    train, validation, test
        Its splits; no sequence of one is in another.
    left_out
        Sequences that were taken out of training and validation, as the test or validation split
        holds them too.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba import benchmark
    >>> texts = ["ACGT" * n for n in range(1, 7)] + ["AATT" * n for n in range(1, 7)]
    >>> table = pd.DataFrame({"sequence": texts, "label": ["a"] * 6 + ["b"] * 6})
    >>> train, test, validation = table.iloc[::3], table.iloc[1::3], table.iloc[2::3]
    >>> task = benchmark.make_task("toy", train, test, validation)
    >>> len(task.train), len(task.validation), len(task.test)
    (4, 4, 4)
    """

    name: str
    category: str
    train: Part
    validation: Part
    test: Part
    left_out: int = 0


def make_task(
    name: str,
    train: pd.DataFrame,
    test: pd.DataFrame,
    validation: pd.DataFrame | None = None,
    *,
    category: str = OTHER,
) -> SequenceTask:
    """Return a task from tables with the columns ``sequence`` and ``label``.

    Copies of test sequences are taken out of training and validation, copies of validation ones out
    of training. Without ``validation`` every tenth training sequence is held out, the same for
    every method and seed.

    Raises
    ------
    ScmambaError
        A column is missing, a sequence holds a character that is none, or nothing is left.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba import benchmark
    >>> texts = ["ACGT" * n for n in range(1, 7)] + ["AATT" * n for n in range(1, 7)]
    >>> table = pd.DataFrame({"sequence": texts, "label": ["a"] * 6 + ["b"] * 6})
    >>> train, test, validation = table.iloc[::3], table.iloc[1::3], table.iloc[2::3]
    >>> task = benchmark.make_task("toy", train, test, validation)
    >>> task.name, task.left_out
    ('toy', 0)
    """
    parts = [_part(table, name) for table in (train, test)]
    learn, held = parts[0], parts[1]
    given = None if validation is None else _part(validation, name)
    before = len(learn) + (0 if given is None else len(given))
    learn = _without(learn, held)
    if given is None:
        group = groups(learn.texts, double_stranded=False)
        stratum = np.unique(learn.labels.astype(str), return_inverse=True)[1].reshape(-1)
        fold = fold_of(group, stratum, _HELD, seed=0)
        given, learn = learn.take(np.flatnonzero(fold == 0)), learn.take(np.flatnonzero(fold > 0))
    else:
        given = _without(given, held)
        learn = _without(learn, given)
    left_out = before - len(learn) - len(given)
    if not (len(learn) and len(given) and len(held)):
        raise ScmambaError(
            f"task {name!r} has {len(learn)}, {len(given)} and {len(held)} sequences to train, "
            "validate and test on, copies left out; each needs some"
        )
    if left_out:
        logger.info("%s: %d copies of held-out sequences left out of training", name, left_out)
    return SequenceTask(name, category, learn, given, held, left_out)


def read_tasks(
    folder: str | os.PathLike[str], names: Sequence[str] | None = None
) -> list[SequenceTask]:
    """Tasks of a folder: each a folder with ``train.csv``, ``test.csv`` and perhaps ``dev.csv``.

    Parameters
    ----------
    folder
        Of folders, or itself one task; csv files have the columns ``sequence`` and ``label``.
    names
        Which of them; None: all.

    Raises
    ------
    ScmambaError
        There is no such task, or a file is missing or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from scmamba import benchmark
    >>> texts = ["ACGT" * n for n in range(1, 7)] + ["AATT" * n for n in range(1, 7)]
    >>> table = pd.DataFrame({"sequence": texts, "label": ["a"] * 6 + ["b"] * 6})
    >>> train, test, validation = table.iloc[::3], table.iloc[1::3], table.iloc[2::3]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     toy = Path(folder, "toy")
    ...     toy.mkdir()
    ...     for name, part in {"train": train, "test": test, "dev": validation}.items():
    ...         part.to_csv(toy / f"{name}.csv", index=False)
    ...     [task.name for task in benchmark.read_tasks(folder)]
    ['toy']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ScmambaError(f"{folder} is no folder; give one that holds a folder a task")
    found = {path.parent.name: path.parent for path in sorted(folder.glob("*/train.csv"))}
    if (folder / "train.csv").is_file():
        found = {folder.name: folder}
    _check_names(names, list(found), str(folder))
    known = nucleotide_transformer_tasks()
    tasks = []
    for name in found if names is None else names:
        files = {path.stem.lower(): path for path in found[name].glob("*.csv")}
        if "test" not in files:
            raise ScmambaError(f"{found[name]} has no test.csv beside its train.csv")
        split = next((files[key] for key in _VALIDATION if key in files), None)
        tasks.append(
            make_task(
                name,
                _table(files["train"]),
                _table(files["test"]),
                None if split is None else _table(split),
                category=known[name].category if name in known else OTHER,
            )
        )
    return tasks


def fetch_tasks(names: Sequence[str] | None = None) -> list[SequenceTask]:
    """Tasks of the Nucleotide Transformer by name, fetched where they are not there yet.

    Raises
    ------
    ScmambaError
        There is no such task, or a download fails.

    Examples
    --------
    >>> from scmamba import benchmark
    >>> tasks = benchmark.fetch_tasks(["promoter_tata"])  # doctest: +SKIP
    """
    known = nucleotide_transformer_tasks()
    _check_names(names, list(known), "the benchmark")
    tasks = []
    for name in known if names is None else names:
        tables = nucleotide_transformer(name)
        tasks.append(
            make_task(name, tables["train"], tables["test"], category=known[name].category)
        )
    return tasks


def _check_names(names: Sequence[str] | None, known: list[str], where: str) -> None:
    if not known:
        raise ScmambaError(f"{where} holds no folder with a train.csv")
    if names is not None and (unknown := [name for name in names if name not in known]):
        raise ScmambaError(f"{where} has no task {unknown[0]!r}; there are {', '.join(known)}")


def _table(path: Path) -> pd.DataFrame:
    data = read_sequences(path)
    if "label" not in data.obs:
        raise ScmambaError(f"{path} has no column 'label'")
    return pd.DataFrame({"sequence": data.sequences, "label": data.obs["label"].to_numpy()})


def _part(table: pd.DataFrame, task: str) -> Part:
    data = read_sequences(table)
    labels, _ = read_labels("label", "classification", data)
    tokenizer = NucleotideTokenizer.benchmark()
    texts = tuple(
        tokenizer.clean(text.upper().replace("U", "T"), f"task {task!r}: sequence {name!r}")
        for name, text in zip(data.names, data.sequences, strict=True)
    )
    return Part(texts, labels)


def _without(part: Part, held: Part) -> Part:
    """Return ``part`` without the sequences of ``held``."""
    there = set(held.texts)
    return part.take(np.array([i for i, t in enumerate(part.texts) if t not in there], dtype=int))
