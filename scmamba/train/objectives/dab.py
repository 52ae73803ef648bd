"""Adversary that predicts the batch from the cell embedding (``dab``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from scmamba.models import CellOutput
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class DAB:
    """Cross-entropy of the predicted batch; the encoder gets the reversed gradient.

    Parameters
    ----------
    weight
        Factor in the total loss.
    class_weights
        (n_batches,) factor of each batch; empty: all 1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import DAB
    >>> output = SimpleNamespace(batch_logits=torch.zeros(2, 2))
    >>> batch = SimpleNamespace(batch_ids=torch.tensor([0, 1]))
    >>> round(DAB()(output, batch).item(), 3)  # log 2: the batches cannot be told apart
    0.693
    """

    weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    name: ClassVar[str] = "dab"
    head: ClassVar[str] = "adversary"

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the cells of known batches; 0 where there is none."""
        assert output.batch_logits is not None and batch.batch_ids is not None
        known = batch.batch_ids >= 0
        if not known.any():
            return 0 * output.batch_logits.sum()
        logits, ids = output.batch_logits[known], batch.batch_ids[known]
        weight = logits.new_tensor(self.class_weights) if self.class_weights else None
        return F.cross_entropy(logits, ids, weight)
