"""Effects measured in batches, each against its own controls, and averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scmamba.learn.effects.table import EffectTable


def batch_name(context: object, batch: object) -> str:
    """Name of a context in one batch."""
    return f"{context} in batch {batch}" if batch else str(context)


def over_batches(table: EffectTable, context_of: Mapping[str, str]) -> EffectTable:
    """Average the effects of batches of one context, weighted by their numbers of cells.

    Parameters
    ----------
    table
        Effects in each batch of each context.
    context_of
        Context of each of the table's contexts.
    """
    assert table.errors is not None and table.controls is not None
    groups: dict[Any, list[int]] = {}
    for i, context in enumerate(table.contexts):
        key = (context_of[context], table.perturbations[i], str(table.doses[i]))
        groups.setdefault(key, []).append(i)
    merged = table.where(np.array([rows[0] for rows in groups.values()]))
    effects, errors = merged.effects.copy(), np.empty_like(merged.effects)
    for k, rows in enumerate(groups.values()):
        weight = table.n_cells[rows] / table.n_cells[rows].sum()
        effects[k] = weight @ table.effects[rows]
        errors[k] = np.sqrt(weight**2 @ np.square(table.errors[rows]))
    parts = [context_of[name] for name in table.context_names]
    contexts = list(dict.fromkeys(parts))
    controls = [table.controls[[part == one for part in parts]].mean(0) for one in contexts]
    return replace(
        merged,
        effects=effects,
        errors=errors,
        contexts=tuple(key[0] for key in groups),
        n_cells=np.array([table.n_cells[rows].sum() for rows in groups.values()]),
        controls=np.stack(controls),
        context_names=tuple(contexts),
    )
