"""scmamba: one call of multiomics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scmamba.benchmark._multiomics.methods.base import MultiomicsMethod, Outcome
from scmamba.benchmark._multiomics.split import MultiomicsSplit, Setting

_ALL: tuple[Setting, ...] = ("embedding", "imputation", "mosaic", "hidden peaks")


@dataclass(frozen=True)
class Ours:
    """:func:`scmamba.tasks.multiomics`, with ``options``, as a user would call it."""

    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, split: MultiomicsSplit, seed: int) -> Outcome:
        """Fit, embed and impute."""
        from scmamba.tasks import multiomics

        mods = {name: adata.copy() for name, adata in split.mods.items()}
        model = multiomics(mods, seed=seed, **self.options)
        mapped = model.map(split.mods)
        order = mapped.obs_names.get_indexer(split.cells)
        embedding = np.asarray(mapped.embedding)[order].astype(float)
        embedding[order < 0] = np.nan
        if split.pairs is not None:
            found = model.impute(split.mods, "atac", relative=True)
            rows = found.index.get_indexer(split.mods["atac"].obs_names)[split.pairs.cells]
            columns = found.columns.get_indexer(split.mods["atac"].var_names)
            values = found.to_numpy()
            opened = values[rows, columns[split.pairs.opened]]
            return Outcome(embedding, None, opened, values[rows, columns[split.pairs.closed]])
        if split.target is None:
            return Outcome(embedding)
        imputed = model.impute(split.mods, split.target, log=True)
        names = split.mods[split.target].var_names
        return Outcome(embedding, imputed.loc[split.cells[split.hidden], names].to_numpy())


SCMAMBA = MultiomicsMethod(Ours(), "scmamba", _ALL, package="scmamba.tasks")
