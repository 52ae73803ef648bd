"""How a compact model is trained from scratch, by how much there is to learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scmamba.models.sequence.compact import CompactConfig
from scmamba.train import SequenceFitConfig


@dataclass(frozen=True)
class Recipe:
    """Sizes and rates.

    Attributes
    ----------
    network
        Its configuration.
    training
        Epochs, rates, strands, seed of the first member.
    noises
        Share of nucleotides replaced at random while learning, of the first, second ... member and
        so on in turn: how much of it a task bears is left to held-out sequences.
    n_members
        Networks, of which those that help one another are kept.
    """

    network: CompactConfig
    training: SequenceFitConfig
    noises: tuple[float, ...] = (0.03, 0.0, 0.1)
    n_members: int = 3

    def member(self, i: int) -> SequenceFitConfig:
        """How member ``i`` is trained."""
        noise = self.noises[i % len(self.noises)]
        return replace(self.training, noise=noise, seed=self.training.seed + 7919 * i)


def recipe_for(
    n: int,
    *,
    n_outputs: int,
    per_token: bool,
    positions: int,
    coding: bool,
    both_strands: bool,
    seed: int,
) -> Recipe:
    """A recipe whose number of steps grows slower than the data: minutes on a CPU.

    Parameters
    ----------
    n
        Sequences to learn from.
    n_outputs, per_token
        What the network predicts.
    positions
        Nucleotides of aligned sequences; 0: not aligned.
    coding
        Whether sequences are open reading frames, read by codons.
    both_strands
        Whether either strand tells the same.
    seed
        Of the first member.
    """
    unit = "codon" if coding else "nucleotide"
    network = CompactConfig(
        n_outputs,
        per_token=per_token,
        unit=unit,
        n_positions=positions // 3 if coding else positions,
        dropout=0.15,
        head_dropout=0.3,
    )
    training = SequenceFitConfig(
        epochs=int(np.clip(60_000 // max(n, 1), 5, 30)),
        batch_size=32,
        lr=2e-3,
        ema_ramp=True,
        patience=4,
        both_strands=both_strands,
        seed=seed,
    )
    return Recipe(network, training, (0.01, 0.0, 0.03) if coding else (0.03, 0.0, 0.1))
