"""Classification of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn

from scmamba._config import DEEPEST
from scmamba._errors import ScmambaError
from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes


@dataclass(frozen=True)
class ClassConfig(HeadConfig):
    """Settings of :class:`ClassHead`.

    Examples
    --------
    >>> from scmamba.nn.heads import ClassConfig
    >>> ClassConfig(n_classes=12, n_layer=1).n_classes
    12
    """

    n_classes: int
    """Number of classes."""

    n_layer: int = 3
    """Number of linear layers, including the last; 1 is a linear head."""

    dropout: float = 0.0
    """Probability of dropping a feature before the last layer, in [0, 1)."""

    input_relu: bool = False
    """Whether a ReLU is applied to the cell embedding first."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.at_least("n_classes", 1)
        self.between("n_layer", 1, DEEPEST)
        if not 0 <= self.dropout < 1:
            raise ScmambaError(f"dropout={self.dropout}; give a number in [0, 1)")


class ClassHead(Head):
    """Class logits: ``n_layer - 1`` blocks (Linear, activation, LayerNorm), dropout, Linear.

    Parameters
    ----------
    d_model
        Width of the cell embedding.
    n_classes
        Number of classes.
    n_layer
        Number of linear layers, including the last; 1 is a linear head.
    activation
        Class of the activation function.
    dropout
        Probability of dropping a feature before the last layer, in [0, 1).
    input_relu
        Whether a ReLU is applied to the cell embedding first.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import ClassHead
    >>> ClassHead(8, n_classes=5)(torch.zeros(2, 8)).shape
    torch.Size([2, 5])
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
        """Return class logits (B, n_classes) of cell embeddings (B, d_model)."""
        return self.out(self.dropout(self.hidden(cell.relu() if self.input_relu else cell)))

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        assert isinstance(config, ClassConfig)
        return cls(
            sizes.d_cell,
            config.n_classes,
            n_layer=config.n_layer,
            dropout=config.dropout,
            input_relu=config.input_relu,
        )

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return the class logits."""
        return {"class_logits": self(state.cell)}
