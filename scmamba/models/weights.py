"""A model from a config and tensors under our names; nothing is filled or dropped in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.models.cell import CellModel
from scmamba.models.config import CellConfig

BACKBONE = ("gene_embedding.", "value_embedding.", "input_norm.", "stack.", "final_norm.")
_COUNTER = "num_batches_tracked"  # of a batch norm: not a weight, 0 where it is missing


@dataclass(frozen=True)
class Filled:
    """A model, and which of its tensors were not filled: names, and "name: (theirs) for (ours)"."""

    model: CellModel
    n_matched: int
    n_weights: int
    fresh: tuple[str, ...]
    mismatched: tuple[str, ...]


def fill(
    config: CellConfig,
    tensors: Mapping[str, Tensor],
    *,
    source: str,
    allow_missing_heads: bool = True,
    name_of: Callable[[str], str] = str,
) -> Filled:
    """Make a model of ``config`` and put ``tensors`` into it, as float32 on the CPU.

    Parameters
    ----------
    config
        Of the model.
    tensors
        By our names; those the model does not have are passed over (the caller reports them).
    source
        What to call the checkpoint in errors.
    allow_missing_heads
        Whether heads may start at random (seeded by ``settings.seed``) where the checkpoint has
        no weights of their shape.
    name_of
        The checkpoint's name of a tensor of ours, for messages.

    Raises
    ------
    ScmambaError
        Weights of the backbone are missing, of another shape or not finite (all are listed);
        or such weights of heads, where ``allow_missing_heads`` is False.
    """
    with torch.device("meta"):
        model = CellModel(config)
    own = model.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith(_COUNTER)]
    odd = {
        name: f"{name_of(name)}: {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    }
    needed = ("",) if not allow_missing_heads else BACKBONE
    problems = [f"missing: {name_of(name)}" for name in missing if name.startswith(needed)]
    problems += [f"of another shape: {odd[name]}" for name in odd if name.startswith(needed)]
    if problems:
        raise ScmambaError(
            f"{source} does not fit: {len(problems)} weights of the "
            f"{'backbone' if allow_missing_heads else 'model'} are missing or of another shape "
            "(found for needed). Use the checkpoint with the configuration it was trained with.\n  "
            + "\n  ".join(problems)
        )
    units = {_unit(name) for name in (*missing, *odd)}
    matched = {
        name: _converted(tensors[name], own[name].dtype)
        for name in own
        if name in tensors and name not in odd and _unit(name) not in units
    }
    if bad := [name_of(name) for name, t in matched.items() if not bool(t.isfinite().all())]:
        raise ScmambaError(f"{source} holds NaN or infinite numbers in: {', '.join(bad)}")
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in own
        if name.endswith(_COUNTER) and name not in matched
    }
    model.load_state_dict({**matched, **counters}, strict=False, assign=True)
    _start(model)
    fresh = tuple(name_of(name) for name in own if not {name} & {*matched, *counters, *odd})
    return Filled(model.eval(), len(matched) + len(counters), len(own), fresh, tuple(odd.values()))


def _unit(name: str) -> str:
    """The module whose tensors are loaded together or not at all."""
    return "pool" if name.startswith("pool.") else name.rpartition(".")[0]


def _converted(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().to("cpu", dtype).contiguous()


def _start(model: CellModel) -> None:
    """Give every tensor that is still without memory its random start, children first."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        for module in reversed(list(model.modules())):
            if any(p.is_meta for p in module.parameters(recurse=False)):
                module.to_empty(device="cpu", recurse=False)
                module.reset_parameters()  # type: ignore[operator]
