"""Tensors of a foreign checkpoint under our names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from scmamba._errors import ScmambaError

T = TypeVar("T")


def to_ours(
    tensors: Mapping[str, T], keys: Iterable[tuple[str, str]], plain: Callable[[str], str]
) -> tuple[dict[str, T], dict[str, str]]:
    """Rename published tensors (or what stands for them).

    Parameters
    ----------
    tensors
        By their published names.
    keys
        Pairs of how our names and the published ones begin; the first pair that fits is taken.
    plain
        A published name without what may stand in front of it.

    Returns
    -------
    ours
        By our names; those without a counterpart keep theirs.
    names
        The published name of each of ours.

    Raises
    ------
    ScmambaError
        Two tensors claim one name.
    """
    ours: dict[str, T] = {}
    names: dict[str, str] = {}
    pairs = tuple(keys)
    for name, tensor in tensors.items():
        bare = plain(name)
        mine = next((o + bare.removeprefix(p) for o, p in pairs if bare.startswith(p)), bare)
        if mine in ours:
            raise ScmambaError(f"the tensors {names[mine]!r} and {name!r} stand for the same one")
        ours[mine], names[mine] = tensor, name
    return ours, names
