"""How long, how fast and on how much of each cell a model is trained."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba._errors import ScmambaError


@dataclass(frozen=True)
class FitConfig:
    """Settings of :func:`~scmamba.train.fit.fit`.

    Parameters
    ----------
    epochs
        Passes over the training cells.
    batch_size
        Cells a step.
    token_budget
        Padded tokens a step, at most, in place of ``batch_size``: many short cells or few long
        ones share a step, and every cell counts alike.
    lr
        Peak learning rate of AdamW.
    weight_decay
        Of AdamW.
    warmup
        Share of all steps over which the rate rises from 0; then it falls as a cosine to 0.
    clip
        Largest norm of the gradient.
    ema
        Decay of the moving average of the weights, which is what is validated and kept; 0: none.
    max_tokens
        Genes drawn per cell and step; None: all. Speed and augmentation at once.
    last_max_tokens
        The same in the last epoch.
    mask_ratio
        Share of values to hide.
    patience
        Epochs without a better validation score before training stops; None: all epochs are run.
    seed
        Of weights' dropout, order, draws and masks.
    """

    epochs: int = 8
    batch_size: int = 16
    token_budget: int | None = None
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip: float = 1.0
    ema: float = 0.99
    max_tokens: int | None = 127
    last_max_tokens: int | None = 255
    mask_ratio: float = 0.0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "token_budget", "lr", "clip"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ScmambaError(f"{name}={value}; give a number above 0")
        for name in ("warmup", "ema", "mask_ratio"):
            if not 0 <= getattr(self, name) < 1:
                raise ScmambaError(f"{name}={getattr(self, name)}; give a number in [0, 1)")
