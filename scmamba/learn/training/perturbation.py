"""How the neural residual of perturbation effects is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scmamba.learn.training.base import Training

_VISITS = 4_000
"""Effects that a network sees over all epochs."""


@dataclass(frozen=True)
class PerturbationTraining(Training):
    """How :func:`scmamba.tasks.perturb` trains a network on what its statistical model misses.

    The network's share in predictions is chosen on held-out perturbations and contexts, and is 0
    where it does not help them.

    Parameters
    ----------
    epochs
        Passes over the measured effects. None: 10 to 60, fewer the more effects there are.
    learning_rate
        Peak learning rate of AdamW. None: 2e-3.
    batch_size
        Effects per step. None: 8.
    width
        Width of the tokens, one per gene.
    n_layer
        Mamba layers over the genes; 0 or None: none, each gene is predicted by itself.
    d_state
        States per head of these layers.
    max_minutes
        Most minutes that the networks of a fit, one more than ``n_folds``, may train together. The
        statistical model and its fits without what is held out come on top. What was cut is told
        in ``about`` of the model, and how much that is depends on the speed of the machine: give
        None, no limit, for results that do not. With Mamba layers and thousands of effects that
        may take an hour.
    n_genes
        Genes that the network corrects: those with the largest measured effects.
    n_folds
        Parts of the perturbations or contexts that are held out in turn.

    Raises
    ------
    ScmambaError
        A value is out of range.

    Examples
    --------
    >>> from scmamba.tasks import PerturbationTraining
    >>> PerturbationTraining(n_layer=1).for_n(1_000).epochs
    10
    """

    width: int = 32
    n_layer: int | None = None
    max_minutes: float | None = 2.0
    n_genes: int = 256
    n_folds: int = 3

    def for_n(self, n_effects: int) -> PerturbationTraining:
        """Return a copy without None but for ``n_layer`` and ``max_minutes``, for ``n_effects``."""
        return self.filled(
            epochs=int(np.clip(_VISITS // max(n_effects, 1), 10, 60)),
            learning_rate=2e-3,
            batch_size=8,
        )
