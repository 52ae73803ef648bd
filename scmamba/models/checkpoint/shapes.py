"""Checks of the shapes of published checkpoints before sizes are inferred from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from scmamba._errors import ScmambaError


def counted(numbers: Collection[int], what: str) -> int:
    """Count ``numbers``, or raise an error if they are not 0, 1, 2, ..."""
    missing = next((i for i in range(len(numbers)) if i not in numbers), None)
    if missing is not None:
        raise ScmambaError(
            f"the checkpoint numbers its {what} up to {max(numbers)}, but number {missing} is "
            "missing; use the whole checkpoint"
        )
    return len(numbers)


def check_axes(layer: Mapping[str, tuple[int, ...]], n_axes: Mapping[str, int]) -> None:
    """Raise ScmambaError if a tensor of a layer has an unexpected number of axes."""
    for name, n in n_axes.items():
        if name in layer and len(layer[name]) != n:
            raise ScmambaError(
                f"{name} of a layer has the shape {layer[name]}, and {n} axes are needed; use a "
                "checkpoint in a supported layout"
            )
