"""A fitted residual, and the share of it that held-out effects favor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.predictor import Effect
from scmamba.learn.effects.residual.features import Reader
from scmamba.learn.effects.residual.network import ResidualNetwork
from scmamba.learn.effects.table import Floats

Unseen = Literal["perturbation", "context", "pair"]
"""What was not measured: a perturbation, a context, or only both together."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the residual to choose from."""


@dataclass(frozen=True)
class Residual:
    """Corrections of predicted effects.

    Attributes
    ----------
    network
        The network, in evaluation mode; None where no share is above 0.
    reader
        Makes its inputs.
    shares
        Share of the correction by what is unseen; 0 where held-out effects do not favor it.
    time
        Time limit, time taken and what was cut; empty without a limit.
    """

    network: ResidualNetwork | None
    reader: Reader
    shares: Mapping[str, float]
    time: Mapping[str, Any] = field(default_factory=dict)

    def correcting(self, perturbation: Perturbation, unseen: Unseen, effect: Effect) -> Effect:
        """Add the share of the correction to an effect; each cell by itself, not in a batch."""
        share, network = self.shares.get(unseen, 0.0), self.network
        if network is None or share == 0:
            return effect
        described = self.reader.describe([perturbation])

        def corrected(controls: Floats | None) -> Floats:
            baseline = effect(controls)
            profile = None if controls is None else controls[None]
            values = self.reader.values(profile, baseline[None])
            with torch.inference_mode():
                found = network(*values, *described)[0].double().numpy()
            result = np.array(baseline, np.float64)
            result[self.reader.columns] += share * self.reader.scale * found
            return result

        return corrected


def choose_share(target: Floats, correction: Floats, trust: Floats) -> float:
    """Share of the correction that fits held-out residuals best; 0 unless they tell it apart.

    Parameters
    ----------
    target, correction
        (n, L) residuals of held-out effects, and what a network that never saw them predicts.
    trust
        (n,) weight of each effect.
    """

    def errors(share: float) -> Floats:
        return np.asarray(trust * np.square(target - share * correction).mean(1))

    best = min(SHARES, key=lambda share: errors(share).mean())
    gain = errors(0.0) - errors(best)
    if len(gain) < 3 or gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        return 0.0
    return best
