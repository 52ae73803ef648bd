"""What cheap linear components tell about sequences: whether strand and position matter.

Choices are made one after the other by cross-validation inside the training part, in seconds. The
linear component is then fitted as they say, and the neural one is given the same: both strands or
one, positions or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.calibration import Kind, loss
from scmamba.learn.folds import fold_of, strata
from scmamba.learn.fusion import Fusion
from scmamba.tasks.sequence._nucleotides import reverse_complement
from scmamba.tasks.sequence._supervised.features import Features
from scmamba.tasks.sequence._supervised.linear import fit_strands
from scmamba.tasks.sequence._supervised.split import groups

_MOST, _MOST_LETTERS = 6000, 2_000_000
"""Sequences and nucleotides that the choice is made on; of more, some at random."""
_FOLDS = 3
_PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
_RIDGE_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3)
_TOLERANCE = 3e-3
_STOPS = {"TAA", "TAG", "TGA"}
_CODING = 0.95
"""Share of open reading frames from which sequences are read as codons."""

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Trial:
    """One way to look at sequences: features, strands, strength of the penalty."""

    features: Features
    both_strands: bool
    penalty: float

    def __str__(self) -> str:
        strands = "both strands" if self.both_strands else "one strand"
        return f"{' and '.join(self.features.kinds)}, {strands}, penalty {self.penalty:g}"


@dataclass(frozen=True)
class Choice:
    """How sequences are looked at.

    Attributes
    ----------
    features
        Features of the linear component.
    both_strands
        Whether a sequence and its reverse complement have the same label.
    penalty
        Strength of the linear component's penalty.
    loss
        Loss in cross-validation, by the text of each trial.
    """

    features: Features
    both_strands: bool
    penalty: float
    loss: dict[str, float]

    @property
    def positions(self) -> int:
        """Number of positions that matter; 0: none."""
        return self.features.length if "positions" in self.features.kinds else 0


def choose(
    texts: Sequence[str],
    target: Array,
    kind: Kind,
    n_outputs: int,
    *,
    both_strands: bool | None,
    coding: bool = False,
    seed: int,
) -> Choice:
    """Choose the linear component by three-fold cross-validation.

    Features are chosen first, at a middle penalty, then the strands, then the penalty: a third of
    the fits that all combinations take.

    Parameters
    ----------
    texts, target
        The training part.
    kind, n_outputs
        What is predicted.
    both_strands
        Whether both strands have the same label; None: whatever predicts better. False for RNA.
    coding
        Whether the sequences are open reading frames; these have one strand, and codons.
    seed
        Seed of the folds.
    """
    rows = _sample(texts, seed)
    texts, target = [texts[i] for i in rows], target[rows]
    penalties = _RIDGE_PENALTIES if kind == "regression" else _PENALTIES
    may_turn = both_strands is None and not coding
    group = groups(texts, double_stranded=may_turn or bool(both_strands))
    fold = fold_of(group, strata(kind, target), _FOLDS, seed)
    trials = _Trials(texts, target, kind, n_outputs, fold)
    features = _features({len(text) for text in texts}, coding)
    middle = penalties[len(penalties) // 2]
    best = trials.best([Trial(x, bool(both_strands), middle) for x in features])
    if may_turn:
        best = trials.best([best, replace(best, both_strands=True)])
    i = penalties.index(middle)
    for further in (penalties[:i][::-1], penalties[i + 1 :]):
        best = trials.walk(best, further)
    losses = {str(trial): value for trial, value in trials.losses.items()}
    return Choice(best.features, best.both_strands, best.penalty, losses)


def is_coding(texts: Sequence[str]) -> bool:
    """Whether nearly all are open reading frames: ATG, whole codons, no stop before the end."""
    return float(np.mean([_is_frame(text) for text in texts])) >= _CODING


def _is_frame(text: str) -> bool:
    dna = text.replace("U", "T")
    codons = [dna[i : i + 3] for i in range(0, len(dna), 3)]
    return len(dna) % 3 == 0 and codons[0] == "ATG" and _STOPS.isdisjoint(codons[:-1])


def _sample(texts: Sequence[str], seed: int) -> npt.NDArray[np.int64]:
    """Positions of as many sequences as the choice may take time for."""
    rows = np.arange(len(texts))
    lengths = np.array([len(text) for text in texts])
    if len(rows) > _MOST or lengths.sum() > _MOST_LETTERS:
        rows = np.random.default_rng(seed).permutation(rows)[:_MOST]
        rows = rows[lengths[rows].cumsum() <= _MOST_LETTERS]
    return rows


def _features(lengths: set[int], coding: bool) -> list[Features]:
    """Features that are tried: positions where all sequences are of one length."""
    kinds: list[tuple[str, ...]] = [("kmers",)]
    if coding:
        kinds += [("codons",), ("kmers", "codons")]
    if len(lengths) > 1:
        return [Features(kind) for kind in kinds]
    kinds += [("positions",), ("kmers", "positions")]
    return [Features(kind, min(lengths) if "positions" in kind else 0) for kind in kinds]


@dataclass
class _Trials:
    """Losses of trials on held-out folds; features are computed once for each strand."""

    texts: Sequence[str]
    target: Array
    kind: Kind
    n_outputs: int
    fold: npt.NDArray[np.int64]
    losses: dict[Trial, float] = field(default_factory=dict)
    _rows: dict[tuple[Features, bool], sparse.csr_matrix] = field(default_factory=dict)

    def best(self, trials: Sequence[Trial]) -> Trial:
        """Return the first trial of lowest loss; those that were made before are not made again."""
        for trial in trials:
            if trial not in self.losses:
                self.losses[trial] = self._loss(trial)
        return min(trials, key=lambda trial: self.losses[trial])

    def walk(self, best: Trial, penalties: Sequence[float]) -> Trial:
        """``best`` with one penalty after the other, as long as the loss falls."""
        for penalty in penalties:
            found = self.best([best, replace(best, penalty=penalty)])
            if found == best:
                break
            best = found
        return best

    def _loss(self, trial: Trial) -> float:
        strands = [self._strand(trial.features, False)]
        if trial.both_strands:
            strands.append(self._strand(trial.features, True))
        fusion, losses, sizes = Fusion(self.kind, neural_weight=0.0), [], []
        for held in np.unique(self.fold):
            train, rest = np.flatnonzero(self.fold != held), np.flatnonzero(self.fold == held)
            linear = fit_strands(
                [x[train] for x in strands],
                self.target[train],
                self.n_outputs,
                self.kind,
                trial.penalty,
                tolerance=_TOLERANCE,
            )
            logits = np.mean([linear.logits(x[rest]) for x in strands], axis=0)
            losses.append(loss(self.kind, fusion.predict(logits, None), self.target[rest]))
            sizes.append(len(rest))
        return float(np.average(losses, weights=sizes))

    def _strand(self, features: Features, turned: bool) -> sparse.csr_matrix:
        """(n, n_features) of the given strand, or of the other one."""
        if (features, turned) not in self._rows:
            texts = map(reverse_complement, self.texts) if turned else self.texts
            self._rows[features, turned] = features(list(texts))
        return self._rows[features, turned]
