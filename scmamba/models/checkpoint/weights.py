"""Filling of a model with tensors, in which every tensor is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.models.checkpoint.report import LoadReport

BACKBONE = (
    "gene_embedding.",
    "value_embedding.",
    "perturbation_embedding.",
    "input_norm.",
    "stack.",
    "final_norm.",
)
_COUNTER = "num_batches_tracked"  # counter of a batch norm, not a weight; 0 if missing
MOST_FRESH = 2**26
"""Largest number of values that may start at random, unless the checkpoint holds half as many."""

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Filled(Generic[M]):
    """Model, with names of missing tensors and "name: (checkpoint) for (model)" of mismatched ones.

    Tied tensors count once.
    """

    model: M
    n_matched: int
    n_weights: int
    fresh: tuple[str, ...]
    mismatched: tuple[str, ...]

    def report(self, source: Path, n_genes: int, **others: Any) -> LoadReport:
        """Report of loading from ``source``; ``others`` are further fields of the report."""
        return LoadReport(
            source=str(source),
            n_matched=self.n_matched,
            n_weights=self.n_weights,
            n_genes=n_genes,
            fresh=self.fresh,
            mismatched=self.mismatched,
            **others,
        )


def fill(
    make: Callable[[], M],
    tensors: Mapping[str, Tensor],
    *,
    source: str,
    needed: tuple[str, ...] = ("",),
    name_of: Callable[[str], str] = str,
) -> Filled[M]:
    """Create a model and fill it with ``tensors``, as float32 on the CPU.

    Parameters
    ----------
    make
        Function that creates the model; called on the meta device.
    tensors
        Tensors by their names in scmamba; those that the model does not have are ignored (the
        caller reports them). For tied tensors, one name suffices.
    source
        Name of the checkpoint in errors.
    needed
        Prefixes of weights that the checkpoint must hold. Others, those of heads, start at random
        (seeded by ``settings.seed``) if missing or of another shape.
    name_of
        Function from a name in scmamba to that in the checkpoint, for messages.

    Raises
    ------
    ScmambaError
        If needed weights are missing, of another shape or not finite (all are listed), or tied
        tensors differ.
    """
    with torch.device("meta"):
        model = make()
    tied = aliases(model)
    tensors = _untied(tensors, tied, source, name_of)
    state = model.state_dict()
    own = {name: tensor for name, tensor in state.items() if name not in tied}
    missing = [name for name in own if name not in tensors and not name.endswith(_COUNTER)]
    odd = {
        name: f"{name_of(name)}: {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    }
    problems = [f"missing: {name_of(name)}" for name in missing if name.startswith(needed)]
    problems += [f"of another shape: {odd[name]}" for name in odd if name.startswith(needed)]
    if problems:
        raise ScmambaError(
            f"{source} does not fit: {len(problems)} weights of the "
            f"{'model' if '' in needed else 'backbone'} are missing or of another shape "
            "(found for needed). Use the checkpoint with the configuration it was trained with.\n  "
            + "\n  ".join(problems)
        )
    _check_fresh(own, tensors, source)
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
    ties = {name: matched[first] for name, first in tied.items() if first in matched}
    model.load_state_dict({**matched, **ties, **counters}, strict=False, assign=True)
    _start(model)
    fresh = tuple(name_of(name) for name in own if not {name} & {*matched, *counters, *odd})
    return Filled(model.eval(), len(matched) + len(counters), len(own), fresh, tuple(odd.values()))


def _check_fresh(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuse a configuration with far more values than the checkpoint holds."""
    stored = sum(tensor.numel() for tensor in tensors.values())
    fresh = {
        n: t.numel() for n, t in state.items() if n not in tensors or t.shape != tensors[n].shape
    }
    if sum(fresh.values()) > max(MOST_FRESH, 2 * stored):
        largest = max(fresh, key=lambda name: fresh[name])
        raise ScmambaError(
            f"{source}: the configuration asks for {sum(fresh.values()):,} numbers that the "
            f"checkpoint does not hold, such as {largest} of shape {tuple(state[largest].shape)}; "
            "use the configuration it was trained with"
        )


def aliases(model: nn.Module) -> dict[str, str]:
    """Map further names of tied parameters to their first name."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            found[name] = first[id(parameter)]
    return found


def _untied(
    tensors: Mapping[str, Tensor],
    tied: Mapping[str, str],
    source: str,
    name_of: Callable[[str], str],
) -> dict[str, Tensor]:
    """Return tensors under their first name, whichever name the checkpoint uses."""
    plain = {name: tensor for name, tensor in tensors.items() if name not in tied}
    for name, first in tied.items():
        if name in tensors and not torch.equal(
            plain.setdefault(first, tensors[name]), tensors[name]
        ):
            raise ScmambaError(
                f"{source} holds {name_of(first)} and {name_of(name)}, which are one tensor in "
                "this model, with different numbers; it was trained as another model"
            )
    return plain


def _unit(name: str) -> str:
    """Return the module whose tensors are loaded together or not at all."""
    return "pool" if name.startswith("pool.") else name.rpartition(".")[0]


def _converted(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().to("cpu", dtype).contiguous()


def _start(model: nn.Module) -> None:
    """Initialize tensors that are still on the meta device at random, children first."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        for module in reversed(list(model.modules())):
            own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
            if any(tensor.is_meta for tensor in own):
                module.to_empty(device="cpu", recurse=False)
                module.reset_parameters()  # type: ignore[operator]
