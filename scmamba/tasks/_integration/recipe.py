"""How an integrating model is made and trained; chosen without a look at labels."""

from __future__ import annotations

from dataclasses import dataclass, fields

from scmamba._errors import ScmambaError
from scmamba.stream import GeneSubsets
from scmamba.train import TrainConfig


@dataclass(frozen=True)
class Weights:
    """Factors of the objectives; 0 turns one off.

    Parameters
    ----------
    nb
        Likelihood of the counts, in nats a cell.
    kl
        Prior of the latent, in nats a cell.
    contrast
        Two gene subsets of a cell, against cells of the same batch.
    dab
        The adversary that guesses the batch.
    ecs
        Elastic similarity of cells.
    gep, mvc
        Hidden expression from tokens, and from the cell embedding; of bins or log values.
    cls, supcon
        Classes, and labelled cells that find those of their label, where there are labels.
    """

    nb: float = 0.01
    kl: float = 0.02
    contrast: float = 0.2
    dab: float = 0.4
    ecs: float = 0.0
    gep: float = 0.0
    mvc: float = 0.0
    cls: float = 0.5
    supcon: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) >= 0:
                raise ScmambaError(
                    f"{field.name}_weight={getattr(self, field.name)}; give 0 (off) or more"
                )


@dataclass(frozen=True)
class Recipe:
    """How an integrating model is made and trained.

    Attributes
    ----------
    d_model, n_layer, d_state, n_latent
        Its size.
    bag_epochs, epochs
        Of the model without Mamba layers, and with them.
    weights
        Of the objectives.
    mask_ratio
        Share of values hidden, where ``gep`` or ``mvc`` are on.
    temperature, ecs_threshold
        Of the contrast and of the elastic similarity.
    subsets
        How subsets of a cell's genes are drawn.
    layer_share, layer_tokens
        Of the rate of ``config``, and most genes of a subset on average, with Mamba layers:
        their steps are dear, and take half as many cells.
    held_out
        Share of the cells that are not learned from; criteria are measured on them.
    config
        Rates, sizes and seed of every stage.
    """

    d_model: int = 64
    n_layer: int = 2
    d_state: int = 16
    n_latent: int = 20
    bag_epochs: int = 50
    epochs: int = 5
    weights: Weights = Weights()
    mask_ratio: float = 0.3
    temperature: float = 0.2
    ecs_threshold: float = 0.5
    explicit_zero: bool = False
    subsets: GeneSubsets = GeneSubsets()
    layer_share: float = 0.5
    layer_tokens: int = 256
    held_out: float = 0.1
    config: TrainConfig = TrainConfig(
        batch_size=128, weight_decay=0.02, warmup=0.05, clip=5.0, adversary_lr=2e-3
    )
