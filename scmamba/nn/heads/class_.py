"""Class of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn

from scmamba._config import DEEPEST
from scmamba._errors import ScmambaError
from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes


@dataclass(frozen=True)
class ClassConfig(HeadConfig):
    """Settings of :class:`ClassHead`."""

    n_classes: int
    """Number of classes."""

    n_layer: int = 3
    """Number of Linear layers, the last included; 1 is a linear head."""

    dropout: float = 0.0
    """Probability of dropping a feature before the last layer, in [0, 1)."""

    input_relu: bool = False
    """Whether the cell embedding passes a ReLU first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least("n_classes", 1)
        self.between("n_layer", 1, DEEPEST)
        if not 0 <= self.dropout < 1:
            raise ScmambaError(f"dropout={self.dropout}; give a number in [0, 1)")


class ClassHead(Head):
    """Class logits: ``n_layer - 1`` times (Linear, activation, LayerNorm), dropout, then Linear.

    Parameters
    ----------
    d_model
        Width of the cell embedding.
    n_classes
        Number of classes.
    n_layer
        Number of Linear layers, the last included; 1 is a linear head.
    activation
        Makes the activation.
    dropout
        Probability of dropping a feature before the last layer.
    input_relu
        Whether the cell embedding passes a ReLU first.
    """

    name = "class"
    config: ClassVar[type[HeadConfig]] = ClassConfig

    def __init__(
        self,
        d_model: int,
        n_classes: int,
        *,
        n_layer: int = 3,
        activation: type[nn.Module] = nn.ReLU,
        dropout: float = 0.0,
        input_relu: bool = False,
    ) -> None:
        super().__init__()
        self.input_relu = input_relu
        self.hidden = nn.Sequential()
        for _ in range(n_layer - 1):
            self.hidden.extend([nn.Linear(d_model, d_model), activation(), nn.LayerNorm(d_model)])
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(d_model, n_classes)

    def forward(self, cell: Tensor) -> Tensor:
        """Logits (B, n_classes) of ``cell`` (B, d_model)."""
        return self.out(self.dropout(self.hidden(cell.relu() if self.input_relu else cell)))

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        assert isinstance(config, ClassConfig)
        return cls(
            sizes.d_cell,
            config.n_classes,
            n_layer=config.n_layer,
            dropout=config.dropout,
            input_relu=config.input_relu,
        )

    def read(self, state: CellState) -> dict[str, Tensor]:
        return {"class_logits": self(state.cell)}
