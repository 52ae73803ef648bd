"""Rows of runs: what was predicted, and its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.benchmark._sequence.methods.base import SequenceRun, codes_of
from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.metrics import classification


@dataclass(frozen=True)
class Record:
    """One row of a run.

    Attributes
    ----------
    task, category, method, seed
        Task, its category, method and seed.
    row
        ``""``, or which other choice or component of the method it is.
    truth, guess
        (n_test,) int64 classes.
    n_parameters, seconds
        Number of trained parameters, and seconds of the run.
    cpu_seconds
        Processor seconds of the run; NaN for runs of earlier versions.
    ece, log_loss
        Expected calibration error and log loss (nats); NaN without probabilities.
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
    cpu_seconds: float = math.nan
    ece: float = math.nan
    log_loss: float = math.nan

    @property
    def name(self) -> str:
        """Name of the method and its row."""
        return f"{self.method}, {self.row}" if self.row else self.method

    def scores(self) -> dict[str, float]:
        """Accuracy, macro-F1, precision, MCC, calibration error and log loss."""
        found = classification(self.truth, self.guess).to_dict()
        own = {key: found[key] for key in ("accuracy", "precision", "macro_f1", "mcc")}
        return {**own, "ece": self.ece, "log_loss": self.log_loss}


def run_content(
    task: SequenceTask, method: str, seed: int, run: SequenceRun, cpu_seconds: float
) -> dict[str, Any]:
    """Content of the file of a run."""
    return {
        "task": task.name,
        "category": task.category,
        "method": method,
        "seed": seed,
        "n_train": len(task.train),
        "n_validation": len(task.validation),
        "left_out": task.left_out,
        "n_parameters": run.n_parameters,
        "seconds": run.seconds,
        "cpu_seconds": cpu_seconds,
        "calibration": run.calibration,
        "about": run.about,
        "truth": codes_of(task)[1]["test"],
        "guesses": run.guesses,
    }


def records_of(content: Mapping[str, Any]) -> list[Record]:
    """Rows of a run, from the content of its file."""
    truth = np.array(content["truth"], dtype=np.int64)
    key = (content["task"], content["category"], content["method"])
    about = (content["n_parameters"], content["seconds"])
    cpu_seconds = content.get("cpu_seconds", math.nan)
    calibration = content.get("calibration", {})
    return [
        Record(
            *key,
            row,
            content["seed"],
            truth,
            np.array(guess, dtype=np.int64),
            *about,
            cpu_seconds,
            **calibration.get(row, {}),
        )
        for row, guess in content["guesses"].items()
    ]


def table(records: list[Record]) -> pd.DataFrame:
    """One row per record: what was run, its scores, size and seconds."""
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
                "cpu_seconds": r.cpu_seconds,
            }
            for r in records
        ]
    )
