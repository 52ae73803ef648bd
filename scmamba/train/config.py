"""How long and how fast a model is trained, and on how much of each cell or sequence."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba._errors import ScmambaError


@dataclass(frozen=True)
class TrainConfig:
    """What every training needs to know; an example is a cell or a sequence.

    Parameters
    ----------
    epochs
        Passes over the training examples.
    batch_size
        Examples a step.
    token_budget
        Padded tokens a step, at most, in place of ``batch_size``: many short examples or few long
        ones share a step, and every example counts alike.
    lr
        Peak learning rate of AdamW.
    weight_decay
        Of AdamW.
    warmup
        Share of all steps over which the rate rises; then it falls as a cosine to 0.
    warmup_from
        Share of the peak rate at which the rise begins.
    clip
        Largest norm of the gradient.
    adversary_lr
        Constant rate of a batch discriminator; None: as the rest.
    ema
        Decay of the moving average of the weights, which is what is validated and kept; 0: none.
    ema_ramp
        Let the decay rise with the steps taken, for trainings of few steps.
    mask_ratio
        Share of values or tokens to hide.
    patience
        Epochs without a better validation score before training stops; None: all epochs are run.
    activation_checkpointing
        Compute the layers of the backbone again in the backward pass instead of keeping what they
        computed: less memory, a third more time, the same gradients.
    seed
        Of weights' dropout, order, draws and masks.
    """

    epochs: int = 8
    batch_size: int = 16
    token_budget: int | None = None
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
    activation_checkpointing: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "token_budget", "lr", "clip", "adversary_lr"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ScmambaError(f"{name}={value}; give a number above 0")
        for name in ("warmup", "warmup_from", "ema", "mask_ratio"):
            if not 0 <= getattr(self, name) < 1:
                raise ScmambaError(f"{name}={getattr(self, name)}; give a number in [0, 1)")


@dataclass(frozen=True)
class FitConfig(TrainConfig):
    """Settings of :func:`~scmamba.train.fit.fit`, beside those of :class:`TrainConfig`.

    Parameters
    ----------
    max_tokens
        Genes drawn per cell and step; None: all. Speed and augmentation at once.
    last_max_tokens
        The same in the last epoch.
    """

    max_tokens: int | None = 127
    last_max_tokens: int | None = 255
