"""Scores of changed sequences by any function: a callable, or an output of a fitted predictor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._edits import Edit
from scmamba.tasks.sequence.fitted import SequencePredictor

Scorer = Callable[[list[str]], npt.ArrayLike]


def scorer(model: Any, target: str | int | None) -> Scorer:
    """Return what gives each sequence a number: a function itself, or one output of a predictor.

    Parameters
    ----------
    model
        A function of a list of sequences, or a fitted predictor: classes and labels by their
        probabilities, numbers as they are.
    target
        Of a predictor with several outputs: the name or position of the one to follow; of two
        classes the second is taken where nothing is said.

    Raises
    ------
    ScmambaError
        ``model`` is neither, or predicts nucleotides one by one.
    """
    if isinstance(model, SequencePredictor) and model.targets.task == "token":
        raise ScmambaError(
            "this predictor gives every nucleotide a class, no sequence a number; give a function "
            "of a list of sequences that makes one of them"
        )
    numbers = isinstance(model, SequencePredictor) and model.targets.task == "regression"
    predict = None if numbers else getattr(model, "predict_proba", None)
    predict = predict or getattr(model, "predict", None)
    if predict is not None:
        return lambda sequences: _column(predict(sequences), model, target)
    if not callable(model):
        raise ScmambaError(
            f"model={model!r}; give a model of sequences, its folder or name, a fitted predictor, "
            "or a function of a list of sequences"
        )
    if target is not None:
        raise ScmambaError(f"target={target!r} goes with a fitted predictor alone")
    return model


def _column(values: Any, model: Any, target: str | int | None) -> npt.NDArray[Any]:
    """One output (n,) of a predictor, whose names come with the values or with the model."""
    names = list(getattr(values, "columns", getattr(model, "classes_", ())))
    table = np.asarray(values).reshape(len(values), -1)
    n = table.shape[1]
    if target is None and n <= 2:
        return table[:, -1]
    if not isinstance(target, str | int | None):
        raise ScmambaError(f"target={target!r}; give the name or the position of an output")
    known = {i: i for i in range(n)} | {str(name): i for i, name in enumerate(names)}
    if target not in known:
        outputs = ", ".join(repr(str(name)) for name in names) or f"0 to {n - 1}"
        raise ScmambaError(f"target={target!r}; name the output to follow: {outputs}")
    return table[:, known[target]]


def scores(
    score: Scorer, sequence: str, edits: Sequence[Edit]
) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the score of a sequence, and of each changed copy of it.

    Raises
    ------
    ScmambaError
        The scorer does not give one number a sequence.
    """
    changed = [edit.apply(sequence) for edit in edits]
    unique = list(dict.fromkeys([sequence, *changed]))
    values = np.asarray(score(unique), dtype=np.float64)
    if values.shape != (len(unique),):
        raise ScmambaError(
            f"the function gave an array of shape {values.shape} for {len(unique)} sequences; it "
            "has to give one number a sequence"
        )
    of = dict(zip(unique, values, strict=True))
    return of[sequence], np.array([of[text] for text in changed])
