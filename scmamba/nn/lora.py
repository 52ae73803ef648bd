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

    Examples
    --------
    At first the result is that of the adapted layer:

    >>> import torch
    >>> from scmamba.nn.lora import LoRALinear
    >>> linear, x = torch.nn.Linear(4, 6), torch.randn(3, 4)
    >>> torch.allclose(LoRALinear(linear, rank=2, alpha=4)(x), linear(x))
    True
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
        """Map (..., in_features) to (..., out_features)."""
        low = F.linear(F.linear(input, self.lora_a), self.lora_b)
        return super().forward(input) + self.scale * low

    def merged_weight(self) -> Tensor:
        """Return the single matrix (out_features, in_features) with the same effect."""
        return self.weight + self.scale * self.lora_b @ self.lora_a


def add_lora(
    module: nn.Module,
    rank: int = 8,
    targets: Sequence[str] = TARGETS,
    *,
    alpha: float | None = None,
) -> int:
    """Freeze ``module`` and add a trained low-rank part to the Linear layers named in ``targets``.

    Parameters
    ----------
    module
        Changed in place; all its present parameters are frozen.
    rank
        Rank of the trained part, 1 or more.
    targets
        Last parts of the names of the layers, such as ``"in_proj"``.
    alpha
        The low-rank part is multiplied by ``alpha / rank``; None: ``2 * rank``.

    Returns
    -------
    int
        Number of layers adapted.

    Raises
    ------
    ScmambaError
        ``rank`` is below 1, no layer has such a name, or the module has low-rank parts already.

    Examples
    --------
    >>> from scmamba.nn.lora import add_lora, merge_lora
    >>> from scmamba.nn.stack import Stack
    >>> stack = Stack(n_layer=2, d_model=16, d_state=8, headdim=16)
    >>> add_lora(stack, rank=4)
    4
    >>> sorted({n.rpartition(".")[2] for n, p in stack.named_parameters() if p.requires_grad})
    ['lora_a', 'lora_b']
    >>> merge_lora(stack)
    4
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
    adapted: dict[nn.Linear, LoRALinear] = {}  # a layer with two names is adapted once
    for name, layer in found:
        if layer not in adapted:
            adapted[layer] = LoRALinear(layer, rank, 2 * rank if alpha is None else alpha)
        _set(module, name, adapted[layer])
    return len(adapted)


@torch.no_grad()
def merge_lora(module: nn.Module) -> int:
    """Add every low-rank part to its matrix, in place, and unfreeze all parameters.

    Parameters
    ----------
    module
        A module after :func:`add_lora`; any other stays as it is.

    Returns
    -------
    int
        Number of layers merged.

    Examples
    --------
    See :func:`add_lora`.
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
    """State dict in which every low-rank part is added to its matrix.

    Parameters
    ----------
    module
        Not changed.

    Returns
    -------
    dict
        Names and tensors as those of the module before :func:`add_lora`.

    Examples
    --------
    >>> from scmamba.nn.lora import add_lora, merged_state_dict
    >>> from scmamba.nn.stack import Stack
    >>> stack = Stack(n_layer=1, d_model=16, d_state=8, headdim=16)
    >>> names = set(stack.state_dict())
    >>> _ = add_lora(stack)
    >>> set(merged_state_dict(stack)) == names
    True
    """
    state = dict(module.state_dict())
    for name, child in _adapted(module):
        prefix = f"{name}." if name else ""
        state[f"{prefix}weight"] = child.merged_weight()
        del state[f"{prefix}lora_a"], state[f"{prefix}lora_b"]
    return state


def _adapted(module: nn.Module) -> list[tuple[str, LoRALinear]]:
    """Every name of every layer with a low-rank part; a layer may have several names."""
    return [
        (name, child)
        for name, child in module.named_modules(remove_duplicate=False)
        if isinstance(child, LoRALinear)
    ]


def _set(module: nn.Module, name: str, child: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, child)
