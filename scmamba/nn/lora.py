"""Low-rank adaptation: a frozen Linear layer plus a trained product of two thin matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.linear import Linear

TARGETS = ("in_proj", "out_proj")
"""The projections of a Mamba-2 mixer."""


class LoRALinear(Linear):
    """``W x + b + scale * B A x``: ``W`` and ``b`` keep their names, ``B`` is zero at first.

    Parameters
    ----------
    linear
        The layer to adapt; its tensors are shared, not copied.
    rank
        Rows of A and columns of B.
    alpha
        ``scale = alpha / rank``.

    Notes
    -----
    Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(linear.weight.new_empty(rank, self.in_features))
        self.lora_b = nn.Parameter(linear.weight.new_zeros(self.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        low = F.linear(F.linear(input, self.lora_a), self.lora_b)
        return super().forward(input) + self.scale * low

    def merged_weight(self) -> Tensor:
        """The one matrix (out_features, in_features) that does the same."""
        return self.weight + self.scale * self.lora_b @ self.lora_a


def add_lora(
    module: nn.Module,
    rank: int = 8,
    targets: Sequence[str] = TARGETS,
    *,
    alpha: float | None = None,
) -> int:
    """Freeze ``module`` and give the Linear layers named in ``targets`` a trained low-rank part.

    Parameters
    ----------
    module
        Changed in place; every parameter it has stops taking gradients.
    rank
        1 or more.
    targets
        Last parts of the names of the layers, such as ``"in_proj"``.
    alpha
        The low-rank part is multiplied with ``alpha / rank``; None: ``2 * rank``.

    Returns
    -------
    The number of layers adapted.

    Raises
    ------
    ScmambaError
        A rank below 1, no such layer, or low-rank parts that are there already.
    """
    if rank < 1:
        raise ScmambaError(f"rank={rank}; give 1 or more")
    if any(isinstance(m, LoRALinear) for m in module.modules()):
        raise ScmambaError("these layers have low-rank parts already; call merge_lora first")
    found = [
        (name, child)
        for name, child in module.named_modules(remove_duplicate=False)
        if isinstance(child, nn.Linear) and name.rpartition(".")[2] in targets
    ]
    if not found:
        linear = {
            n.rpartition(".")[2] for n, m in module.named_modules() if isinstance(m, nn.Linear)
        }
        raise ScmambaError(
            f"no Linear layer is named {' or '.join(map(repr, targets))}; there are: "
            f"{', '.join(sorted(linear)) or 'none'}"
        )
    module.requires_grad_(False)
    adapted: dict[nn.Linear, LoRALinear] = {}  # a layer that stands in two places stays one
    for name, layer in found:
        if layer not in adapted:
            adapted[layer] = LoRALinear(layer, rank, 2 * rank if alpha is None else alpha)
        _set(module, name, adapted[layer])
    return len(adapted)


@torch.no_grad()
def merge_lora(module: nn.Module) -> int:
    """Put every low-rank part into its matrix and let all parameters take gradients again.

    Returns
    -------
    The number of layers merged.
    """
    merged: dict[LoRALinear, nn.Linear] = {}
    for name, adapted in _adapted(module):
        if adapted not in merged:
            plain = Linear(
                adapted.in_features, adapted.out_features, adapted.bias is not None, device="meta"
            )
            plain.weight = nn.Parameter(adapted.merged_weight())
            plain.bias = adapted.bias
            merged[adapted] = plain
        _set(module, name, merged[adapted])
    if merged:
        module.requires_grad_(True)
    return len(merged)


@torch.no_grad()
def merged_state_dict(module: nn.Module) -> dict[str, Tensor]:
    """State dict with every low-rank part in its matrix; ``module`` stays as it is."""
    state = dict(module.state_dict())
    for name, child in _adapted(module):
        prefix = f"{name}." if name else ""
        state[f"{prefix}weight"] = child.merged_weight()
        del state[f"{prefix}lora_a"], state[f"{prefix}lora_b"]
    return state


def _adapted(module: nn.Module) -> list[tuple[str, LoRALinear]]:
    """Every place of a layer with a low-rank part; one that stands in two has two."""
    return [
        (name, child)
        for name, child in module.named_modules(remove_duplicate=False)
        if isinstance(child, LoRALinear)
    ]


def _set(module: nn.Module, name: str, child: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, child)
