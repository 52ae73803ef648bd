"""Runs of the benchmark on disk, one file each, so that a benchmark that was stopped goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba.metrics import classification
from scmamba.tasks.sequence._benchmark.methods import Run, codes_of
from scmamba.tasks.sequence._benchmark.tasks import Task

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Record:
    """A row of one run.

    Attributes
    ----------
    task, category, method, seed
        What was run.
    row
        ``""``, or which other choice or view of the method it is.
    truth, guess
        (n_test,) int64 classes.
    n_parameters, seconds
        Of the run.
    """

    task: str
    category: str
    method: str
    row: str
    seed: int
    truth: npt.NDArray[np.int64]
    guess: npt.NDArray[np.int64]
    n_parameters: int
    seconds: float

    @property
    def name(self) -> str:
        """Of the method and its row."""
        return f"{self.method}, {self.row}" if self.row else self.method

    def scores(self) -> dict[str, float]:
        """Accuracy, macro-F1, precision and MCC."""
        found = classification(self.truth, self.guess).to_dict()
        return {key: found[key] for key in ("accuracy", "precision", "macro_f1", "mcc")}


def path_of(folder: Path, task: str, method: str, seed: int) -> Path:
    """File of a run."""
    return folder / "runs" / f"{task}__{method}__{seed}.json"


def write_run(
    folder: Path, task: Task, method: str, seed: int, run: Run, settings: dict[str, Any]
) -> None:
    """Write a run, whole or not at all.

    Parameters
    ----------
    settings
        What else decides the result; a run of other settings is not taken for this one.
    """
    _, codes = codes_of(task)
    path = path_of(folder, task.name, method, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format_version": FORMAT_VERSION,
        "task": task.name,
        "category": task.category,
        "method": method,
        "seed": seed,
        "settings": settings,
        "n_train": len(task.train),
        "n_validation": len(task.validation),
        "left_out": task.left_out,
        "n_parameters": run.n_parameters,
        "seconds": run.seconds,
        "about": run.about,
        "truth": codes["test"].tolist(),
        "guesses": {name: guess.tolist() for name, guess in run.guesses.items()},
    }
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def read_run(
    folder: Path, task: Task, method: str, seed: int, settings: dict[str, Any]
) -> list[Record] | None:
    """Rows of a run that was written before; None where there is none.

    Raises
    ------
    ScmambaError
        It was run with other settings or on other data, or is damaged.
    """
    path = path_of(folder, task.name, method, seed)
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        same = content["format_version"] == FORMAT_VERSION and content["settings"] == settings
        rows = {name: np.array(guess) for name, guess in content["guesses"].items()}
        truth = np.array(content["truth"])
    except (ValueError, KeyError) as error:
        raise ScmambaError(f"{path} is damaged ({error!r}); delete it to run it anew") from error
    if not same or not np.array_equal(truth, codes_of(task)[1]["test"]):
        raise ScmambaError(
            f"{path} was run with other settings or data ({content['settings']}); give another "
            "output folder, or delete it"
        )
    about = (content["n_parameters"], content["seconds"])
    return [
        Record(task.name, task.category, method, row, seed, truth, guess, *about)
        for row, guess in rows.items()
    ]


def table(records: list[Record]) -> pd.DataFrame:
    """A row a record: what was run, its scores, size and seconds."""
    return pd.DataFrame(
        [
            {
                "task": r.task,
                "category": r.category,
                "method": r.name,
                "seed": r.seed,
                **r.scores(),
                "n_parameters": r.n_parameters,
                "seconds": r.seconds,
            }
            for r in records
        ]
    )
