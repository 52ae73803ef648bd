"""Training objectives: each looks at one head, and names its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.models.output import CellOutput
from scmamba.nn.losses import masked_mse, zero_inflated_mse
from scmamba.stream.batches import TrainBatch


class Objective(Protocol):
    """What a loss term must offer.

    Attributes
    ----------
    name
        Under which it is logged.
    head
        Which head of :class:`~scmamba.models.cell.CellModel` it needs.
    weight
        Factor in the total loss; 0 turns it off.
    """

    name: ClassVar[str]
    head: ClassVar[str]

    @property
    def weight(self) -> float: ...

    def __call__(self, output: CellOutput, batch: TrainBatch) -> Tensor: ...


@dataclass(frozen=True)
class GEP:
    """Masked gene expression: predict hidden values from the tokens' hidden states."""

    weight: float = 1.0
    name: ClassVar[str] = "gep"
    head: ClassVar[str] = "expression"

    def __call__(self, output: CellOutput, batch: TrainBatch) -> Tensor:
        return _expression_loss(output.expression, output.expression_zero_prob, batch)


@dataclass(frozen=True)
class MVC:
    """Masked gene expression from the cell embedding alone."""

    weight: float = 1.0
    name: ClassVar[str] = "mvc"
    head: ClassVar[str] = "mvc"

    def __call__(self, output: CellOutput, batch: TrainBatch) -> Tensor:
        return _expression_loss(output.mvc_expression, output.mvc_zero_prob, batch)


@dataclass(frozen=True)
class CLS:
    """Cross-entropy of the class head.

    Parameters
    ----------
    weight
        Factor in the total loss.
    class_weights
        (n_classes,) factor of each class; empty: all 1.
    label_smoothing
        In [0, 1).
    """

    weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    name: ClassVar[str] = "cls"
    head: ClassVar[str] = "class"

    def __call__(self, output: CellOutput, batch: TrainBatch) -> Tensor:
        assert output.class_logits is not None and batch.labels is not None
        weight = output.class_logits.new_tensor(self.class_weights) if self.class_weights else None
        return F.cross_entropy(
            output.class_logits, batch.labels, weight, label_smoothing=self.label_smoothing
        )


def class_weights(labels: npt.NDArray[np.int64], n_classes: int, power: float) -> tuple[float, ...]:
    """Weights of classes, proportional to ``frequency ** -power``, 1 on the mean cell.

    Parameters
    ----------
    labels
        (n_cells,) classes in [0, n_classes).
    power
        0: all alike; 1: every class counts the same in total.
    """
    counts = np.bincount(labels, minlength=n_classes)
    weights = np.maximum(counts, 1.0) ** -power
    return tuple((weights * counts.sum() / (weights * counts).sum()).tolist())


def check_objectives(objectives: Sequence[Objective], heads: Sequence[str]) -> list[Objective]:
    """The objectives that are on, after a check that the model has the head of each.

    Raises
    ------
    ScmambaError
        No objective is on, or one needs a head that the model lacks.
    """
    on = [objective for objective in objectives if objective.weight > 0]
    if not on:
        raise ScmambaError("every objective's weight is 0; give at least one a weight above 0")
    if lacking := [o.name for o in on if o.head not in heads]:
        raise ScmambaError(
            f"objective(s) {', '.join(lacking)} need heads that the model lacks; it has "
            f"{', '.join(heads) or 'none'}: set their weight to 0 or add the head to the config"
        )
    return on


def _expression_loss(
    prediction: Tensor | None, probability: Tensor | None, batch: TrainBatch
) -> Tensor:
    assert prediction is not None
    if probability is None:
        return masked_mse(prediction, batch.target, batch.masked)
    return zero_inflated_mse(prediction, probability, batch.target, batch.masked)


def total(losses: dict[str, Tensor], objectives: Sequence[Objective]) -> Tensor:
    """Weighted sum of the losses, a scalar."""
    return torch.stack(
        [objective.weight * losses[objective.name] for objective in objectives]
    ).sum()
