"""The loop that trains a bag of genes on a matrix: large batches, no tokens, no Lightning."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba._progress import progress_bar
from scmamba.learn.parallel import one_thread
from scmamba.train import TrainConfig
from scmamba.train.budget import Cut, Pace, TimeBudget
from scmamba.train.optim import lr_factor, moving_average
from scmamba.train.result import FitResult

Net = TypeVar("Net", bound=nn.Module)
Batch = TypeVar("Batch")


class MatrixTrainer(ABC, Generic[Net, Batch]):
    """Trains a model in place; the averaged weights of the last step are kept.

    Parameters
    ----------
    model
        A network that reads whole cells, such as a cell model whose configuration ``is_bag``.
    config
        Epochs, rates, size of batches, seed.
    n
        Number of cells to learn from.
    least
        Number of cells in the smallest batch.
    least_steps
        Steps of an epoch, as far as the smallest batches allow them: few cells share smaller
        batches.
    budget
        Time that is left; None: no limit.
    rival
        Part of the model that is trained at a constant rate without weight decay, or None.
    """

    def __init__(
        self,
        model: Net,
        config: TrainConfig,
        n: int,
        *,
        least: int,
        least_steps: int,
        budget: TimeBudget | None = None,
        rival: nn.Module | None = None,
    ) -> None:
        self.model, self.config = model, config
        self.device = next(model.parameters()).device
        self.size = min(config.batch_size, max(n // least_steps, least))
        self.steps_per_epoch = max(n // self.size, 1)
        self.pace = Pace(config.epochs * self.steps_per_epoch, budget or TimeBudget())
        self.averaged = copy.deepcopy(model)
        self._average = moving_average(config.ema, ramp=config.ema_ramp)
        self._states = (_floats(self.averaged), _floats(model))
        self._optimizer = _optimizer(model, config, rival)
        self._n_steps = 0

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """One pass over the cells in random order, ``steps_per_epoch`` batches of ``size``."""

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch by name; ``"loss"`` is the one whose gradient is taken."""

    def evaluate(self) -> dict[str, float]:
        """Scores that the history holds after each epoch; they choose nothing."""
        return {}

    def fit(self, text: str) -> FitResult:
        """Train, with a progress bar of the title ``text``.

        Raises
        ------
        ScmambaError
            The loss is not a finite number.
        """
        config, pace, history = self.config, self.pace, []
        bar = progress_bar(text, pace.planned, delay=1)
        with bar, one_thread(), torch.random.fork_rng():
            torch.manual_seed(config.seed)
            for epoch in range(1, config.epochs + 1):
                losses = []
                for batch in self.batches():
                    losses.append(self._step(batch))
                    bar.update()
                    if pace.over(self._n_steps):
                        break
                means = pd.DataFrame(losses).mean().add_prefix("train_")
                history.append({"epoch": epoch, **means, **self.evaluate()})
                if pace.over(self._n_steps):
                    break
        self.model.load_state_dict(self.averaged.state_dict())
        self.model.eval()
        curve = pd.DataFrame(history).set_index("epoch")
        if self._n_steps == pace.planned:
            return FitResult(curve, config.epochs)
        done = config.epochs * self._n_steps / pace.planned
        return FitResult(curve, len(history), (Cut("epochs", done, config.epochs, text),))

    @property
    def progress(self) -> float:
        """Fraction of the training that is over, in [0, 1]."""
        return self.pace.progress(self._n_steps)

    def _step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; return its losses."""
        self.model.train()
        rate = self.config.lr * lr_factor(self._n_steps, self.pace, self.config)
        for group in self._optimizer.param_groups[:2]:  # a rival keeps its rate
            group["lr"] = rate
        losses = self.losses(batch)
        found = {name: value.item() for name, value in losses.items()}
        if not np.isfinite(found["loss"]):
            raise ScmambaError(
                f"the loss is no longer a finite number (step {self._n_steps + 1}); lower the "
                f"learning rate ({self.config.lr:g})"
            )
        self._optimizer.zero_grad()
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self._optimizer.step()
        self._average(*self._states, self._n_steps)
        self._n_steps += 1
        self.pace.update(self._n_steps)
        return found


def _optimizer(
    model: nn.Module, config: TrainConfig, rival: nn.Module | None
) -> torch.optim.Optimizer:
    """AdamW, without weight decay of biases, of norms and of the rival, which comes last."""
    away = list(rival.parameters()) if rival is not None else []
    mine = [p for p in model.parameters() if not any(p is other for other in away)]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in mine if p.ndim > 1]},
        {"params": [p for p in mine if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if rival is not None:
        # Its rate stays: an adversary that slows down with the rest would be fooled for free.
        rate = config.adversary_lr or config.lr
        groups.append({"params": away, "lr": rate, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def _floats(model: nn.Module) -> list[Tensor]:
    """Weights and statistics of norms, which share memory with the model."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
