"""A table of all models that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scmamba.models.hub.locks import cache_folder
from scmamba.models.hub.registry import REGISTRY, Entry
from scmamba.models.shipped import ShippedModel, shipped_models

if TYPE_CHECKING:
    import pandas as pd


def list_models() -> pd.DataFrame:
    """Return a table of the models and annotators that have a name; nothing is downloaded.

    Returns
    -------
    One row per model, those inside the package first, by name, with the columns ``kind``
    (``"annotator"``, ``"backbone"`` or ``"sequence"``), ``where`` (``"shipped"``, ``"fetched"`` or
    ``"to download"``), ``organism``, ``tissue``, ``n_classes`` (cell types; 0 for others),
    ``n_cells`` (that it learned from; NA: not known), ``size_mb`` (10^6 bytes; NaN before a
    download) and ``license``.

    Examples
    --------
    >>> import scmamba
    >>> table = scmamba.models.list()
    >>> table.index.name, table.loc["caduceus-ps-1k", "kind"]
    ('name', 'sequence')
    """
    import pandas as pd

    rows = [_inside(card) for card in shipped_models()]
    rows += [_published(name, entry) for name, entry in REGISTRY.items()]
    return pd.DataFrame(rows).set_index("name").astype({"n_cells": "Int64"})


def _inside(card: ShippedModel) -> dict[str, Any]:
    return {
        "name": card.name,
        "kind": card.kind,
        "where": "shipped",
        "organism": card.organism,
        "tissue": ", ".join(card.tissues),
        "n_classes": card.n_classes,
        "n_cells": card.n_cells,
        "size_mb": round(card.size / 1e6, 1),
        "license": card.license,
    }


def _published(name: str, entry: Any) -> dict[str, Any]:
    of_cells, folder = isinstance(entry, Entry), cache_folder(name)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "name": name,
        "kind": "backbone" if of_cells else "sequence",
        "where": "fetched" if size else "to download",
        "organism": "human" if of_cells else "",
        "tissue": "whole body" if of_cells else "",
        "n_classes": 0,
        "n_cells": None,
        "size_mb": round(size / 1e6, 1) if size else float("nan"),
        "license": entry.code_license if of_cells else entry.license,
    }
