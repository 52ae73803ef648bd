"""How a model is trained: optimizer, batches, devices, checkpoints and loggers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from scmamba._arguments import check_choice, check_count, check_minutes, check_number
from scmamba._errors import ScmambaError

Strategy = Literal["auto", "ddp", "fsdp"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
LoggerName = Literal["csv", "tensorboard", "wandb", "mlflow"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings that every training has; an example is a cell or a sequence.

    Parameters
    ----------
    epochs
        Passes over the training examples. A pass over a stream has a given number of steps.
    batch_size
        Examples per batch and process.
    token_budget
        Most padded tokens per batch and process, in place of ``batch_size``: many short examples
        or few long ones share a batch, and every example has the same weight in an epoch.
    accumulate_grad_batches
        Batches whose gradients are averaged for one step of the optimizer.
    lr
        Peak learning rate of AdamW.
    weight_decay
        Weight decay of AdamW; biases, norms and other vectors have none.
    warmup
        Fraction of all steps in which the rate rises; then it falls as a cosine to 0. In [0, 1).
    warmup_from
        Fraction of the peak rate at which the rise begins, in [0, 1).
    clip
        Largest norm of the gradient.
    adversary_lr
        Constant learning rate of a batch discriminator; None: that of the model.
    ema
        Decay of the moving average of the weights, which is validated and kept; 0: no average.
    ema_ramp
        Whether the decay rises with the number of steps, for short trainings.
    mask_ratio
        Fraction of values or tokens to hide, in [0, 1).
    patience
        Epochs without a better validation loss before training stops; None: all epochs are run.
    max_minutes
        Most minutes of wall time that training may take, kept to a tenth: the learning rate falls
        in the time there is, and training stops at the step at which the time is over, after a
        last validation. None: no limit. A run that is resumed has as much time again.
    seed
        Seed of dropout, order, draws and masks.
    activation_checkpointing
        Recompute the layers of the backbone in the backward pass instead of storing their
        activations: less memory, a third more time, the same gradients.
    accelerator
        ``"auto"`` (the device that the model is on), ``"cpu"``, ``"gpu"``, ``"mps"``, ...
    devices
        Devices per node, or ``"auto"`` for all.
    strategy
        ``"auto"`` (``"ddp"`` on several devices), ``"ddp"``: every device holds the whole model;
        ``"fsdp"``: weights, gradients and optimizer states are sharded over GPUs.
    num_nodes
        Number of machines.
    precision
        ``"auto"`` (as ``scmamba.settings.precision`` says for the device), ``"32-true"``,
        ``"bf16-mixed"`` or ``"16-mixed"``.
    checkpoint_every_n_steps
        Optimizer steps between two checkpoints; None: only after epochs.
    checkpoint_every_n_epochs
        Epochs between two checkpoints; the last epoch always leaves one.
    keep_last
        Number of checkpoints to keep: ``last.ckpt`` and before it ``step-<number>.ckpt``.
    keep_best
        Whether the epoch with the lowest validation loss is kept as ``best.ckpt``.
    loggers
        Any of ``"csv"``, ``"tensorboard"``, ``"wandb"``, ``"mlflow"``.
    log_every_n_steps
        Steps between two entries of loss and learning rate in the loggers.

    Raises
    ------
    ScmambaError
        A value is out of range, or two of them contradict each other.

    Examples
    --------
    >>> from scmamba.train import TrainConfig
    >>> TrainConfig(epochs=2, token_budget=16_384, checkpoint_every_n_steps=1000).lr
    0.002
    """

    epochs: int = 8
    batch_size: int = 16
    token_budget: int | None = None
    accumulate_grad_batches: int = 1
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    warmup_from: float = 0.0
    clip: float = 1.0
    adversary_lr: float | None = None
    ema: float = 0.99
    ema_ramp: bool = False
    mask_ratio: float = 0.0
    patience: int | None = None
    max_minutes: float | None = None
    seed: int = 0
    activation_checkpointing: bool = False
    accelerator: str = "auto"
    devices: int | Literal["auto"] = 1
    strategy: Strategy = "auto"
    num_nodes: int = 1
    precision: Precision = "auto"
    checkpoint_every_n_steps: int | None = None
    checkpoint_every_n_epochs: int = 1
    keep_last: int = 1
    keep_best: bool = False
    loggers: tuple[LoggerName, ...] = ()
    log_every_n_steps: int = 50

    def __post_init__(self) -> None:
        """Check the values."""
        check_minutes(self.max_minutes)
        for name in _COUNTS:
            if name != "devices" or self.devices != "auto":
                check_count(name, getattr(self, name))
        for name in ("lr", "clip", "adversary_lr"):
            check_number(name, getattr(self, name), low=0, open_low=True)
        for name in ("warmup", "warmup_from", "ema", "mask_ratio"):
            check_number(name, getattr(self, name), low=0, high=1, open_high=True, optional=False)
        check_number("weight_decay", self.weight_decay, low=0, optional=False)
        check_choice("strategy", self.strategy, get_args(Strategy))
        check_choice("precision", self.precision, get_args(Precision))
        for name in self.loggers:
            check_choice("loggers", name, get_args(LoggerName))
        if self.strategy == "fsdp" and self.ema:
            raise ScmambaError(
                f"strategy='fsdp' and ema={self.ema}: sharded weights cannot be averaged; "
                "set ema=0.0 or strategy='ddp'"
            )

    @property
    def decisive(self) -> dict[str, Any]:
        """Fields that decide which weights come out, by name; the others say where and how."""
        return {name: value for name, value in asdict(self).items() if name not in _INCIDENTAL}


@dataclass(frozen=True)
class FitConfig(TrainConfig):
    """Settings of :func:`~scmamba.train.fit`: those of :class:`TrainConfig` and two of cells.

    Parameters
    ----------
    max_tokens
        Genes drawn per cell and step; None: all. Fewer are faster, and augment the data.
    last_max_tokens
        Genes drawn per cell and step in the last epoch; None: all.

    Examples
    --------
    >>> from scmamba.train import FitConfig
    >>> FitConfig(max_tokens=None).epochs
    8
    """

    max_tokens: int | None = 127
    last_max_tokens: int | None = 255


@dataclass(frozen=True)
class SequenceFitConfig(TrainConfig):
    """Settings of :func:`~scmamba.train.fit_sequences`: :class:`TrainConfig` and two of sequences.

    Parameters
    ----------
    both_strands
        Learn from either strand at random, and validate on the mean of both; language models, whose
        target is the sequence itself, on the strand that is given.
    noise
        Fraction of nucleotides replaced at random while learning, in [0, 1).

    Examples
    --------
    >>> from scmamba.train import SequenceFitConfig
    >>> SequenceFitConfig(noise=1.5)
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: noise=1.5; give a finite number of at least 0 and below 1
    """

    both_strands: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_number("noise", self.noise, low=0, high=1, open_high=True, optional=False)


_COUNTS = (
    "epochs",
    "batch_size",
    "token_budget",
    "accumulate_grad_batches",
    "patience",
    "devices",
    "num_nodes",
    "checkpoint_every_n_steps",
    "checkpoint_every_n_epochs",
    "keep_last",
    "log_every_n_steps",
)
_INCIDENTAL = (
    "max_minutes",
    "activation_checkpointing",
    "accelerator",
    "devices",
    "strategy",
    "num_nodes",
    "checkpoint_every_n_steps",
    "checkpoint_every_n_epochs",
    "keep_last",
    "keep_best",
    "loggers",
    "log_every_n_steps",
)
