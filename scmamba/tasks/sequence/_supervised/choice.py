"""What cheap linear views tell about sequences: whether strand and position matter.

Choices are made by cross-validation inside the training part, in seconds. The linear view is then
fitted as they say, and the deep one is given the same: both strands or one, positions or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from scmamba.learn.parallel import run
from scmamba.tasks.sequence._supervised.blend import Blend, loss
from scmamba.tasks.sequence._supervised.features import Features
from scmamba.tasks.sequence._supervised.split import fold_of, groups, strata
from scmamba.tasks.sequence._supervised.wide import fit_wide

_MOST = 6000
"""Sequences that the choice is made on; of more, some at random."""
_FOLDS = 3
_STRENGTHS = {"classification": (3.0, 10.0, 30.0, 100.0), "regression": (30.0, 100.0, 300.0, 1e3)}
_STOPS = {"TAA", "TAG", "TGA"}

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Choice:
    """How sequences are to be looked at.

    Attributes
    ----------
    features
        Of the linear view.
    both_strands
        Whether either strand tells the same.
    strength
        Of the linear view's penalty.
    loss
        In cross-validation, by the text of each trial.
    """

    features: Features
    both_strands: bool
    strength: float
    loss: dict[str, float]

    @property
    def positions(self) -> int:
        """Positions that matter; 0: none."""
        return self.features.length if "positions" in self.features.kinds else 0


def choose(
    texts: Sequence[str],
    target: Array,
    task: str,
    n_outputs: int,
    *,
    both_strands: bool | None,
    seed: int,
) -> Choice:
    """Try linear views by three-fold cross-validation.

    Parameters
    ----------
    texts, target
        The training part.
    task, n_outputs
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
    kinds = [("kmers",), ("positions",), ("kmers", "positions")] if length else [("kmers",)]
    strands = (True, False) if both_strands is None else (both_strands,)
    strengths = _STRENGTHS.get(task, _STRENGTHS["classification"])
    trials = [
        (Features(kind, length if "positions" in kind else 0), both, strength)
        for kind, both, strength in product(kinds, strands, strengths)
    ]
    group = groups(texts, double_stranded=any(strands))
    fold = fold_of(group, strata(target), _FOLDS, seed)
    jobs = [
        (list(texts), target, task, n_outputs, fold, kind, both, strengths)
        for kind, both in dict.fromkeys((trial[0], trial[1]) for trial in trials)
    ]
    found = np.concatenate(run(_losses, jobs, text="linear views", spread=True))
    best = trials[int(np.argmin(found))]
    said = {_text(*trial): float(value) for trial, value in zip(trials, found, strict=True)}
    return Choice(*best, said)


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
    task: str,
    n_outputs: int,
    fold: npt.NDArray[np.int64],
    features: Features,
    both: bool,
    strengths: tuple[float, ...],
) -> list[float]:
    """Loss on held-out folds for each strength of the penalty."""
    blend, found = Blend(task, 0.0), []
    for strength in strengths:
        losses, sizes = [], []
        for held in np.unique(fold):
            learn, rest = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
            view = fit_wide(
                [texts[i] for i in learn],
                target[learn],
                n_outputs,
                features,
                both_strands=both,
                strength=strength,
            )
            said = blend(view.logits([texts[i] for i in rest]), None)
            losses.append(loss(task, said, target[rest]))
            sizes.append(len(rest))
        found.append(float(np.average(losses, weights=sizes)))
    return found


def _text(features: Features, both: bool, strength: float) -> str:
    strands = "both strands" if both else "one strand"
    return f"{' and '.join(features.kinds)}, {strands}, penalty {strength:g}"
