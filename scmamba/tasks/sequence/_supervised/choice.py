"""What cheap linear components tell about sequences: whether strand and position matter.

Choices are made by cross-validation inside the training part, in seconds. The linear view is then
fitted as they say, and the deep one is given the same: both strands or one, positions or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import Kind, loss
from scmamba.learn.folds import fold_of, strata
from scmamba.learn.fusion import Fusion
from scmamba.learn.parallel import run
from scmamba.tasks.sequence._nucleotides import reverse_complement
from scmamba.tasks.sequence._supervised.features import Features
from scmamba.tasks.sequence._supervised.linear import fit_strands
from scmamba.tasks.sequence._supervised.split import groups

_MOST = 6000
"""Sequences that the choice is made on; of more, some at random."""
_FOLDS = 3
PENALTIES = (3.0, 10.0, 30.0, 100.0)
RIDGE_PENALTIES = (30.0, 100.0, 300.0, 1e3)
_STOPS = {"TAA", "TAG", "TGA"}

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Choice:
    """How sequences are to be looked at.

    Attributes
    ----------
    features
        Features of the linear component.
    both_strands
        Whether either strand tells the same.
    penalty
        Strength of the linear component's penalty.
    loss
        In cross-validation, by the text of each trial.
    """

    features: Features
    both_strands: bool
    penalty: float
    loss: dict[str, float]

    @property
    def positions(self) -> int:
        """Positions that matter; 0: none."""
        return self.features.length if "positions" in self.features.kinds else 0


def choose(
    texts: Sequence[str],
    target: Array,
    kind: Kind,
    n_outputs: int,
    *,
    both_strands: bool | None,
    seed: int,
) -> Choice:
    """Try linear components by three-fold cross-validation.

    Parameters
    ----------
    texts, target
        The training part.
    kind, n_outputs
        What is predicted.
    both_strands
        Whether either strand tells the same; None: whatever predicts better. False for RNA.
    seed
        Of the folds.
    """
    if len(texts) > _MOST:
        rows = np.random.default_rng(seed).permutation(len(texts))[:_MOST]
        texts, target = [texts[i] for i in rows], target[rows]
    lengths = {len(text) for text in texts}
    length = lengths.pop() if len(lengths) == 1 else 0
    looks = [("kmers",), ("positions",), ("kmers", "positions")] if length else [("kmers",)]
    strands = (True, False) if both_strands is None else (both_strands,)
    penalties = RIDGE_PENALTIES if kind == "regression" else PENALTIES
    features = [Features(kinds, length if "positions" in kinds else 0) for kinds in looks]
    group = groups(texts, double_stranded=any(strands))
    fold = fold_of(group, strata(kind, target), _FOLDS, seed)
    jobs = [
        (list(texts), target, kind, n_outputs, fold, look, both, penalties)
        for look, both in product(features, strands)
    ]
    losses = run(_losses, jobs, text="Choosing the linear component", spread=True)
    trials = {
        (look, both, penalty): value
        for (*_, look, both, _), values in zip(jobs, losses, strict=True)
        for penalty, value in zip(penalties, values, strict=True)
    }
    best = min(trials, key=lambda trial: trials[trial])
    return Choice(*best, {_text(*trial): value for trial, value in trials.items()})


def is_coding(texts: Sequence[str]) -> bool:
    """Whether all are open reading frames: ATG first, whole codons, no stop before the end."""
    return all(map(_is_frame, texts))


def _is_frame(text: str) -> bool:
    dna = text.replace("U", "T")
    codons = [dna[i : i + 3] for i in range(0, len(dna), 3)]
    return len(dna) % 3 == 0 and codons[0] == "ATG" and _STOPS.isdisjoint(codons[:-1])


def _losses(
    texts: list[str],
    target: Array,
    kind: Kind,
    n_outputs: int,
    fold: npt.NDArray[np.int64],
    features: Features,
    both: bool,
    penalties: tuple[float, ...],
) -> list[float]:
    """Loss on held-out folds for each penalty; features are computed once."""
    strands = [features(texts)]
    if both:
        strands.append(features([reverse_complement(text) for text in texts]))
    fusion, found = Fusion(kind, neural_weight=0.0), []
    for penalty in penalties:
        losses, sizes = [], []
        for held in np.unique(fold):
            train, rest = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
            linear = fit_strands(
                [x[train] for x in strands], target[train], n_outputs, kind, penalty
            )
            logits = np.mean([linear.logits(x[rest]) for x in strands], axis=0)
            losses.append(loss(kind, fusion.predict(logits, None), target[rest]))
            sizes.append(len(rest))
        found.append(float(np.average(losses, weights=sizes)))
    return found


def _text(features: Features, both: bool, penalty: float) -> str:
    strands = "both strands" if both else "one strand"
    return f"{' and '.join(features.kinds)}, {strands}, penalty {penalty:g}"
