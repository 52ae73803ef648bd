"""Writing results into an AnnData, all at the end, in forms that h5ad and zarr can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._version import __version__

_GREY = "#bdbdbd"


def about(task: str, **entries: Any) -> dict[str, Any]:
    """What ran, for ``uns``: None is left out, sequences become text, as files cannot hold them."""
    kept = {key: _plain(value) for key, value in entries.items() if value is not None}
    return {"version": __version__, "task": task, **kept}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Sequence):
        return ", ".join(map(str, value))
    return str(value)


def check_writable(adata: AnnData, copy: bool) -> None:
    """Raise ScmambaError where results could not be written in the end."""
    if not copy and adata.isbacked and adata.is_view:
        raise ScmambaError(
            "adata is a view of a backed AnnData, which cannot be written to; pass copy=True, or "
            "adata.to_memory()"
        )


def duplicate(adata: AnnData) -> AnnData:
    """A copy in memory, of a backed AnnData too."""
    return adata.to_memory() if adata.isbacked else adata.copy()


def label_colors(obs: pd.DataFrame, uns: Mapping[str, Any], key: str | None) -> dict[str, str]:
    """Colour of each label of the ``obs`` column ``key``, as far as ``uns`` holds them."""
    if key is None or key not in obs or f"{key}_colors" not in uns:
        return {}
    column = obs[key]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return {}
    return dict(zip(map(str, column.cat.categories), uns[f"{key}_colors"], strict=False))


def write_categories(
    adata: AnnData, key: str, values: Sequence[str], classes: Sequence[str], colors: dict[str, str]
) -> None:
    """Write a categorical ``obs`` column; labels keep the colours of the column they came from.

    Parameters
    ----------
    adata
        Changed in place.
    key
        Column to write.
    values
        One label a cell.
    classes
        All labels that may occur; ``unknown`` joins them where it does.
    colors
        By label; taken over where every label has one.
    """
    categories = list(classes)
    if UNKNOWN in values and UNKNOWN not in categories:
        categories.append(UNKNOWN)
    adata.obs[key] = pd.Categorical(values, categories=categories)
    adata.uns.pop(f"{key}_colors", None)
    if colors and all(label in colors or label == UNKNOWN for label in categories):
        adata.uns[f"{key}_colors"] = [colors.get(label, _GREY) for label in categories]
