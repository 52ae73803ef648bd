"""Logistic regression on counts of k-mers; its penalty is chosen on the validation part."""

from __future__ import annotations

import time

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from scmamba.benchmark._sequence.methods.base import SequenceMethod, SequenceRun, codes_of
from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.train import SequenceFitConfig

_STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse penalties that are tried."""


def kmer(task: SequenceTask, seed: int, config: SequenceFitConfig) -> SequenceRun:
    """Return the counts of 3- to 6-mers, classified by scikit-learn."""
    start = time.perf_counter()
    _, codes = codes_of(task)
    count = CountVectorizer(analyzer="char", ngram_range=(3, 6), lowercase=False)
    x, held = count.fit_transform(task.train.texts), count.transform(task.validation.texts)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(x, codes["train"]) for c in _STRENGTHS]
    best = max(fits, key=lambda fit: fit.score(held, codes["validation"]))
    guess = best.predict(count.transform(task.test.texts)).astype(np.int64)
    return SequenceRun({"": guess}, best.coef_.size, time.perf_counter() - start, {"C": best.C})


KMER = SequenceMethod(kmer)
