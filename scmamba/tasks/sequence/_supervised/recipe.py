"""How a compact model is trained from scratch, by how much there is to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scmamba.models.compact import CompactConfig
from scmamba.train import SequenceFitConfig


@dataclass(frozen=True)
class Recipe:
    """Sizes and rates.

    Attributes
    ----------
    network
        Its configuration.
    training
        Epochs, rates, strands, noise, seed.
    n_members
        Networks of other seeds, whose outputs are averaged.
    """

    network: CompactConfig
    training: SequenceFitConfig
    n_members: int = 3


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
        dropout=0.2,
        head_dropout=0.4,
    )
    training = SequenceFitConfig(
        epochs=int(np.clip(60_000 // max(n, 1), 5, 30)),
        batch_size=32,
        lr=1e-3,
        ema_ramp=True,
        patience=4,
        both_strands=both_strands,
        noise=0.02 if coding else 0.1,
        seed=seed,
    )
    return Recipe(network, training)
