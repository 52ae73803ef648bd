"""Classes of labeled cells or sequences (``cls``), and weights of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor


class _Classified(Protocol):
    @property
    def class_logits(self) -> Tensor | None: ...


class _Labeled(Protocol):
    @property
    def labels(self) -> Tensor | None: ...


@dataclass(frozen=True)
class CLS:
    """Cross-entropy of the class head, over the rows that have a label.

    Parameters
    ----------
    weight
        Factor in the total loss.
    class_weights
        (n_classes,) factor of each class; empty: all 1.
    label_smoothing
        Probability that is spread over all classes, in [0, 1).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import CLS
    >>> output = SimpleNamespace(class_logits=torch.tensor([[2.0, 0.0], [0.0, 2.0]]))
    >>> batch = SimpleNamespace(labels=torch.tensor([0, -1]))  # the second cell has no label
    >>> round(CLS()(output, batch).item(), 3)
    0.127
    """

    weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0
    name: ClassVar[str] = "cls"
    head: ClassVar[str] = "class"

    def __call__(self, output: _Classified, batch: _Labeled) -> Tensor:
        """Mean over the rows with a label; 0 where none has one."""
        assert output.class_logits is not None and batch.labels is not None
        known = batch.labels >= 0
        if not known.any():
            return 0 * output.class_logits.sum()
        logits, labels = output.class_logits[known], batch.labels[known]
        weight = logits.new_tensor(self.class_weights) if self.class_weights else None
        return F.cross_entropy(logits, labels, weight, label_smoothing=self.label_smoothing)


def class_weights(labels: npt.NDArray[np.int64], n_classes: int, power: float) -> tuple[float, ...]:
    """Weights of classes, proportional to ``frequency ** -power``, 1 on the mean cell.

    Parameters
    ----------
    labels
        (n_cells,) classes in [0, n_classes), below 0 where unknown.
    n_classes
        Number of classes.
    power
        0: all classes have the same weight; 1: every class counts the same in total.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.train import class_weights
    >>> class_weights(np.array([0, 0, 0, 1]), 2, power=1.0)
    (0.6666666666666666, 2.0)
    """
    counts = np.bincount(labels[labels >= 0], minlength=n_classes)
    weights = np.maximum(counts, 1.0) ** -power
    return tuple((weights * counts.sum() / (weights * counts).sum()).tolist())
