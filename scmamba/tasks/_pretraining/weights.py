"""Weights of the loss terms of a pretraining."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from scmamba._arguments import check_flag, check_number
from scmamba._errors import ScmambaError


@dataclass(frozen=True)
class PretrainObjectives:
    """Loss terms of a pretraining; a weight of 0 turns one off.

    Parameters
    ----------
    gep_weight
        Hidden values, predicted from the hidden states of their tokens; a model without Mamba
        layers has nothing to predict them from but the gene itself.
    mvc_weight
        Hidden values, predicted from the cell embedding.
    zero_prob
        Whether both also predict the probability that a gene is expressed.
    dab_weight
        Adversary that predicts the batch from the cell embedding.
    contrast_weight
        Two views of a cell find each other among cells of their batch; needs ``views.n_views`` of
        2 or more.
    supcon_weight
        Labeled cells find those of their label, in all data sets.
    cls_weight
        Labels are predicted from the cell embedding.
    temperature
        Divisor of the cosines in both contrasts, above 0.

    Raises
    ------
    ScmambaError
        A weight is below 0, or all are 0.

    Examples
    --------
    >>> from scmamba.tasks import PretrainObjectives
    >>> PretrainObjectives(dab_weight=0.3).mvc_weight
    1.0
    """

    gep_weight: float = 0.0
    mvc_weight: float = 1.0
    zero_prob: bool = True
    dab_weight: float = 0.0
    contrast_weight: float = 0.0
    supcon_weight: float = 0.0
    cls_weight: float = 0.0
    temperature: float = 0.2

    def __post_init__(self) -> None:
        """Check the values."""
        weights = [f.name for f in dataclasses.fields(self) if f.name.endswith("_weight")]
        for name in weights:
            check_number(name, getattr(self, name), low=0, optional=False)
        check_number("temperature", self.temperature, low=0, open_low=True, optional=False)
        check_flag("zero_prob", self.zero_prob)
        if not any(getattr(self, name) for name in weights):
            raise ScmambaError(f"every weight is 0; give one of {', '.join(weights)} above 0")
