"""What shapes of a foreign checkpoint must be before sizes are taken from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from scmamba._errors import ScmambaError


def counted(numbers: Collection[int], what: str) -> int:
    """How many there are, or an error where they are not numbered 0, 1, 2, ..."""
    missing = next((i for i in range(len(numbers)) if i not in numbers), None)
    if missing is not None:
        raise ScmambaError(
            f"the checkpoint numbers its {what} up to {max(numbers)}, but number {missing} is not "
            "there; use the whole checkpoint"
        )
    return len(numbers)


def check_axes(layer: Mapping[str, tuple[int, ...]], n_axes: Mapping[str, int]) -> None:
    """Raise an error where a tensor of a layer has not the number of axes it should have."""
    for name, n in n_axes.items():
        if name in layer and len(layer[name]) != n:
            raise ScmambaError(
                f"{name} of a layer has the shape {layer[name]}, and {n} axes are needed; use a "
                "checkpoint of a layout that is known here"
            )
