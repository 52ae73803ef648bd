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
from scmamba.models.cell.output import CellOutput
from scmamba.nn.losses import ecs_loss, masked_mse, zero_inflated_mse
from scmamba.stream.batches import TrainBatch


class Objective(Protocol):
    """What a loss term must offer.

    Attributes
    ----------
    name
        Under which it is logged.
    head
        Which head of :class:`~scmamba.models.CellModel` it needs; "" for the cell embedding.
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
    """Cross-entropy of the class head, over the cells that have a label.

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
        known = batch.labels >= 0
        if not known.any():
            return 0 * output.class_logits.sum()
        logits, labels = output.class_logits[known], batch.labels[known]
        weight = logits.new_tensor(self.class_weights) if self.class_weights else None
        return F.cross_entropy(logits, labels, weight, label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class ECS:
    """Elastic cell similarity of the cell embeddings of a step.

    Parameters
    ----------
    weight
        Factor in the total loss.
    threshold
        Cosines above it are pulled to 1, those below to 0; in [0, 1].
    """

    weight: float = 1.0
    threshold: float = 0.3
    name: ClassVar[str] = "ecs"
    head: ClassVar[str] = ""

    def __call__(self, output: CellOutput, batch: TrainBatch) -> Tensor:
        return ecs_loss(output.cell_embedding, self.threshold)


@dataclass(frozen=True)
class DAB:
    """Cross-entropy of guessing the batch; the encoder gets the reversed gradient.

    Parameters
    ----------
    weight
        Factor in the total loss.
    class_weights
        (n_batches,) factor of each batch; empty: all 1.
    """

    weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    name: ClassVar[str] = "dab"
    head: ClassVar[str] = "batch"

    def __call__(self, output: CellOutput, batch: TrainBatch) -> Tensor:
        assert output.batch_logits is not None and batch.batch_ids is not None
        weight = output.batch_logits.new_tensor(self.class_weights) if self.class_weights else None
        return F.cross_entropy(output.batch_logits, batch.batch_ids, weight)


def class_weights(labels: npt.NDArray[np.int64], n_classes: int, power: float) -> tuple[float, ...]:
    """Weights of classes, proportional to ``frequency ** -power``, 1 on the mean cell.

    Parameters
    ----------
    labels
        (n_cells,) classes in [0, n_classes), below 0 where unknown.
    power
        0: all alike; 1: every class counts the same in total.
    """
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
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
    if lacking := [o.name for o in on if o.head and o.head not in heads]:
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
