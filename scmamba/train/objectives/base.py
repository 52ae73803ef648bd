"""What a loss term offers, and the checks and the sum over several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor

from scmamba._errors import ScmambaError

OutputT = TypeVar("OutputT", contravariant=True)
BatchT = TypeVar("BatchT", contravariant=True)


class Objective(Protocol[OutputT, BatchT]):
    """A loss term of a model's output and of the batch that it comes from.

    Attributes
    ----------
    name
        Name in the training history.
    head
        Head of the model that it needs; ``""`` for none.
    weight
        Factor in the total loss; 0 turns it off.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import ClassVar
    >>> from scmamba.train import check_objectives
    >>> @dataclass(frozen=True)
    ... class Length:
    ...     '''Squared length of the cell embedding.'''
    ...
    ...     weight: float = 1.0
    ...     name: ClassVar[str] = "length"
    ...     head: ClassVar[str] = ""
    ...
    ...     def __call__(self, output, batch):
    ...         return output.cell_embedding.pow(2).sum(1).mean()
    >>> check_objectives([Length()], heads=[])
    [Length(weight=1.0)]
    """

    name: ClassVar[str]

    @property
    def head(self) -> str:
        """Head of the model that it needs."""

    @property
    def weight(self) -> float:
        """Factor of the loss."""

    def __call__(self, output: OutputT, batch: BatchT) -> Tensor:
        """Return the loss, a scalar."""


ObjectiveT = TypeVar("ObjectiveT", bound="Objective[Any, Any]")


def check_objectives(objectives: Sequence[ObjectiveT], heads: Sequence[str]) -> list[ObjectiveT]:
    """Return the objectives whose weight is above 0, once the model is known to have their heads.

    Parameters
    ----------
    objectives
        Loss terms.
    heads
        Heads of the model.

    Raises
    ------
    ScmambaError
        No objective is on, or one needs a head that the model lacks.

    Examples
    --------
    >>> from scmamba.train import CLS, GEP, check_objectives
    >>> check_objectives([CLS(), GEP(weight=0.0)], heads=["class"])
    [CLS(weight=1.0, class_weights=(), label_smoothing=0.0)]
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


def total(losses: Mapping[str, Tensor], objectives: Sequence[Objective[Any, Any]]) -> Tensor:
    """Weighted sum of the losses, a scalar.

    Examples
    --------
    >>> import torch
    >>> from scmamba.train import CLS, GEP
    >>> from scmamba.train.objectives import total
    >>> losses = {"cls": torch.tensor(1.0), "gep": torch.tensor(3.0)}
    >>> total(losses, [CLS(), GEP(weight=0.5)]).item()
    2.5
    """
    return torch.stack(
        [objective.weight * losses[objective.name] for objective in objectives]
    ).sum()
