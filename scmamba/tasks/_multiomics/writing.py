"""What a multi-omics call writes, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN, Keys
from scmamba._log import logger
from scmamba.jobs import Results, about
from scmamba.stream.modalities.parts import PROTEIN_EXPRESSION, parts_of
from scmamba.tasks._checks import flag_empty
from scmamba.tasks._multiomics.reading import Input

if TYPE_CHECKING:
    from scmamba.tasks._multiomics.mapped import MappedCells
    from scmamba.tasks._multiomics.model import MultiomicsModel
    from scmamba.tasks._multiomics_request import MultiomicsRequest

_MOST_VALUES = 500_000_000


@dataclass
class Written:
    """What is written.

    Attributes
    ----------
    obs_names
        Names of all cells.
    top
        Results of all cells.
    imputed
        Imputed values by modality.
    names
        Names by which features are matched, by their names in the input, for each modality.
    modalities
        Names of modalities in the input by ours, or None.
    reliability
        Of their features.
    """

    obs_names: pd.Index
    top: Results
    names: dict[str, dict[str, str]]
    modalities: Mapping[str, str] | None
    imputed: dict[str, pd.DataFrame] = field(default_factory=dict)
    reliability: dict[str, pd.Series] = field(default_factory=dict)


def check_impute(given: Input) -> None:
    """Raise ScmambaError where imputed values would fill the memory."""
    for one in given.modalities:
        n = len(given.obs) * len(one.features)
        if n > _MOST_VALUES:
            raise ScmambaError(
                f"impute=True would write {n:,} values of {one.name!r}; omit it, and take features "
                f"or cells in parts: model.impute(cells, {one.name!r}, features=[...])"
            )


def results_of(given: Input, model: MultiomicsModel, request: MultiomicsRequest) -> Written:
    """Map all cells, and impute what is asked for."""
    keys, top = request.keys, Results()
    cells = model._cells(given, request.batch_key)
    mapped = model._mapped(given, cells)
    top.obsm[keys.embedding] = mapped.embedding
    for name, own in mapped.by_modality.items():
        top.obsm[keys.embedding_of(name)] = own
        top.obs[keys.weight_of(name)] = mapped.weights[name]
    if request.saved is not None:
        top.obs[keys.distance] = mapped.near.distance
    if model.classes:
        _add_labels(top, keys, model, mapped)
    empty = ~np.logical_or.reduce(list(mapped.measured.values()))
    flag_empty(top, keys, empty, given.obs)
    top.uns[keys.uns] = about("multiomics", batch_key=request.batch_key, **model.about)
    names = {one.name: dict(zip(one.shown, one.features, strict=True)) for one in given.modalities}
    written = Written(given.obs.index, top, names, request.modalities)
    if request.impute:
        _add_imputed(written, given, model, request)
    return written


def _add_labels(top: Results, keys: Keys, model: MultiomicsModel, mapped: MappedCells) -> None:
    codes = mapped.near.codes
    names = [model.classes[code] if code >= 0 else UNKNOWN for code in codes]
    top.add_labels(keys.cell_type, names, model.classes, {})
    top.obs[keys.confidence] = mapped.near.share


def _add_imputed(
    written: Written, given: Input, model: MultiomicsModel, request: MultiomicsRequest
) -> None:
    for m, name in enumerate(model.names):
        if m not in model.peaks and m not in model.imputers:
            logger.warning("%s was never measured with another modality: not imputed", name)
            continue
        cells = model._cells(given, request.batch_key)
        features = list(model.modalities[m].features)
        written.imputed[name] = model._imputed(given, cells, m).set_axis(features, axis=1)
        written.reliability[name] = model.reliability(name).set_axis(features)


def write(data: Any, written: Written, keys: Keys) -> None:
    """Write everything into a MuData, an AnnData, or the AnnData of a mapping."""
    if isinstance(data, AnnData):
        _write_top(data, written)
        _write_imputed_table(data, written, keys)
        return
    if isinstance(data, Sequence):
        for one in data:
            write(one, written, keys)
        return
    parts: Mapping[str, AnnData] = data.mod if hasattr(data, "mod") else data
    if hasattr(data, "mod"):
        _write_top(data, written)
    else:
        for adata in parts.values():
            _write_top(adata, written)
    for part in parts_of(data, written.modalities)[0]:
        own = next((adata for adata in parts.values() if adata is part.adata), None)
        if own is not None and part.name in written.imputed:
            table, reliability = written.imputed[part.name], written.reliability[part.name]
            _write_layer(own, table, reliability, written.names[part.name], keys)


def _write_top(target: Any, written: Written) -> None:
    """Write the results of the cells of ``target``."""
    rows = written.obs_names.get_indexer(target.obs_names)
    top = written.top
    for key in top.stale:
        target.uns.pop(key, None)
    for key, column in top.obs.items():
        target.obs[key] = column[rows]
    for key, values in top.obsm.items():
        target.obsm[key] = values[rows]
    for key, entry in top.uns.items():
        target.uns[key] = entry


def _write_layer(
    adata: AnnData,
    table: pd.DataFrame,
    reliability: pd.Series,
    names: Mapping[str, str],
    keys: Keys,
) -> None:
    """Imputed values of the cells and features of ``adata``; NaN for those not modeled."""
    matched = [names.get(name, "") for name in adata.var_names]
    columns = table.columns.get_indexer(matched)
    rows = table.index.get_indexer(adata.obs_names)
    layer = np.full(adata.shape, np.nan, np.float32)
    known = columns >= 0
    layer[:, known] = table.to_numpy()[np.ix_(rows, columns[known])]
    adata.layers[keys.imputed] = layer
    adata.var[keys.reliability] = reliability.reindex(matched).to_numpy()


def _write_imputed_table(adata: AnnData, written: Written, keys: Keys) -> None:
    """Imputed values of an AnnData with several modalities, as tables in ``obsm``."""
    for name, table in written.imputed.items():
        if name == "rna" and PROTEIN_EXPRESSION in adata.obsm:
            _write_layer(adata, table, written.reliability[name], written.names[name], keys)
            continue
        shown = {to: own for own, to in written.names.get(name, {}).items()}
        table = table.reindex(adata.obs_names).rename(columns=shown)
        adata.obsm[f"{keys.imputed}_{name}"] = table
        reliability = written.reliability[name].rename(index=shown)
        adata.uns[f"{keys.reliability}_{name}"] = {
            str(feature): float(value) for feature, value in reliability.items()
        }
