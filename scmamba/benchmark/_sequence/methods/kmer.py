"""Logistic regression on counts of k-mers; its penalty is chosen on the validation part."""

from __future__ import annotations

import time

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from scmamba.benchmark._sequence.methods.base import (
    SequenceMethod,
    SequenceRun,
    calibration_of,
    codes_of,
)
from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.train import SequenceFitConfig

_STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse penalties that are tried."""


def kmer(task: SequenceTask, seed: int, config: SequenceFitConfig) -> SequenceRun:
    """Return the counts of 3- to 6-mers, classified by scikit-learn."""
    start = time.perf_counter()
    names, codes = codes_of(task)
    count = CountVectorizer(analyzer="char", ngram_range=(3, 6), lowercase=False)
    x, held = count.fit_transform(task.train.texts), count.transform(task.validation.texts)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(x, codes["train"]) for c in _STRENGTHS]
    best = max(fits, key=lambda fit: fit.score(held, codes["validation"]))
    unseen = count.transform(task.test.texts)
    guess = best.predict(unseen).astype(np.int64)
    seconds = time.perf_counter() - start
    proba = np.zeros((len(guess), len(names)))
    proba[:, best.classes_] = best.predict_proba(unseen)
    calibration = {"": calibration_of(codes["test"], proba)}
    return SequenceRun({"": guess}, best.coef_.size, seconds, {"C": best.C}, calibration)


KMER = SequenceMethod(kmer)
