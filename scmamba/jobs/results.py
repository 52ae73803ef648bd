"""What a task writes into an AnnData or a file, in forms that h5ad and zarr can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._keys import UNKNOWN, file_key
from scmamba._text import label_texts
from scmamba._version import __version__
from scmamba.jobs.row_blocks import RowBlocks

_GRAY = "#bdbdbd"


@dataclass
class Results:
    """Entries to be written, by key.

    Attributes
    ----------
    obs, var
        Columns: arrays or categoricals, one value per cell or gene.
    obsm, varm
        Arrays, one row per cell or gene.
    layers
        Sparse matrices, (n_cells, n_genes), made some cells at a time while they are written.
    varp
        (n_genes, n_genes) sparse matrices.
    uns
        Unstructured entries.
    stale
        Entries of ``uns`` that no longer hold and are removed.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.jobs import Results
    >>> adata = scmamba.datasets.synthetic(3, 5)
    >>> results = Results()
    >>> results.add_labels("guess", ["B", "T", "unknown"], ["B", "T"], {})
    >>> results.write_to(adata)
    >>> adata.obs["guess"].tolist()
    ['B', 'T', 'unknown']
    """

    obs: dict[str, Any] = field(default_factory=dict)
    var: dict[str, Any] = field(default_factory=dict)
    obsm: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    varm: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    varp: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, RowBlocks] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    def add_labels(
        self,
        key: str,
        labels: Sequence[str] | npt.NDArray[np.object_],
        classes: Sequence[str],
        colors: Mapping[str, str],
    ) -> None:
        """Add a categorical column of ``obs``.

        Parameters
        ----------
        key
            Name of the column.
        labels
            One label per cell.
        classes
            All labels that may occur; ``unknown`` is added where it occurs.
        colors
            Color of each label; written where every label has one.
        """
        categories = list(classes)
        if UNKNOWN in labels and UNKNOWN not in categories:
            categories.append(UNKNOWN)
        self.obs[key] = pd.Categorical(labels, categories=categories)
        self.stale.append(f"{key}_colors")
        if colors and all(label in colors or label == UNKNOWN for label in categories):
            self.uns[f"{key}_colors"] = [colors.get(label, _GRAY) for label in categories]

    def write_to(self, adata: AnnData) -> None:
        """Write all entries into ``adata``, which is changed in place."""
        for key in self.stale:
            adata.uns.pop(key, None)
        for name in ("obs", "var"):
            for key, column in getattr(self, name).items():
                getattr(adata, name)[key] = column
        for name in ("obsm", "varm", "varp", "uns"):
            for key, value in getattr(self, name).items():
                getattr(adata, name)[key] = value
        for key, blocks in self.layers.items():
            adata.layers[key] = blocks.whole()


def about(task: str, **entries: Any) -> dict[str, Any]:
    """Describe what ran, for ``uns``.

    Entries that are None are left out, sequences become text, and keys get a form that files can
    hold (see :func:`scmamba._keys.file_key`).

    Examples
    --------
    >>> from scmamba.jobs import about
    >>> {k: v for k, v in about("embed", seed=0, layer=None).items() if k != "version"}
    {'task': 'embed', 'seed': 0}
    """
    kept = {key: _plain(value) for key, value in entries.items() if value is not None}
    return {"version": __version__, "task": task, **kept}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {str(key): item for key, item in value.items() if item is not None}
        return {file_key(key): _plain(item) for key, item in kept.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Sequence):
        return ", ".join(map(str, value))
    return str(value)


def label_colors(obs: pd.DataFrame, uns: Mapping[str, Any], key: str | None) -> dict[str, str]:
    """Return the color of each label of the ``obs`` column ``key``, as far as ``uns`` has them.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.jobs import label_colors
    >>> obs = pd.DataFrame({"cell_type": pd.Categorical(["B", "T"])})
    >>> label_colors(obs, {"cell_type_colors": ["#1f77b4", "#ff7f0e"]}, "cell_type")
    {'B': '#1f77b4', 'T': '#ff7f0e'}
    """
    if key is None or key not in obs or f"{key}_colors" not in uns:
        return {}
    column = obs[key]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return {}
    names, missing = label_texts(column.cat.categories)
    pairs = zip(names, missing, uns[f"{key}_colors"], strict=False)
    return {name: color for name, gone, color in pairs if not gone}
