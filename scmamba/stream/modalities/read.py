"""Reading of several modalities from whatever holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._text import label_texts, obs_column
from scmamba.stream.modalities.container import KINDS, Bools, Ints, Modalities, Modality
from scmamba.stream.modalities.panels import distinct_panels, split_by_batch
from scmamba.stream.modalities.parts import Part, parts_of
from scmamba.stream.modalities.peaks import possible_builds
from scmamba.stream.modalities.values import Values, values_of


def read_modalities(
    data: Any,
    modalities: Mapping[str, str] | None = None,
    *,
    layer: str | Mapping[str, str] | None = None,
    batch_key: str | None = None,
) -> Modalities:
    """Read RNA, proteins and chromatin of cells, and what was measured where.

    Parameters
    ----------
    data
        One of: a MuData; a path of ``.h5mu``, ``.zarr`` (of a MuData or an AnnData) or ``.h5ad``,
        of Cell Ranger's ``.h5`` file or folder with ``matrix.mtx``; an AnnData with
        ``var["feature_types"]``; an AnnData with ``obsm["protein_expression"]`` (names in
        ``uns["protein_names"]`` or as columns of a table); a dict of AnnData by modality; a list
        of any of these. Cells are joined by their names. Not modified.
    modalities
        Names in the data by ours: ``{"rna": "GEX", "prot": "ADT"}``; others are left out. A name
        may also be a feature type, or for ``"prot"`` a key of ``obsm``. None finds ``rna``,
        ``prot`` (``adt``) and ``atac`` by the names that are common.
    layer
        Layer with the values, for all modalities or by modality (``{"rna": "counts"}``); None
        reads X.
    batch_key
        Column of ``obs``. Features that a batch lacks by far, such as columns of zeros that an
        outer join leaves, are not measured there.

    Returns
    -------
    Modalities. Cells without any value in a modality are not measured in it; missing values (NaN)
    of proteins are not measured. Peaks are matched by interval, proteins without ``TotalSeq``
    suffixes, genes by name; columns of the same name are summed.

    Raises
    ------
    ScmambaError
        If ``data`` is of no supported type, a modality is missing, empty or without any value,
        cells of one modality have the same name, peaks are not intervals or of several genome
        builds, or values are negative or not finite.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.stream.modalities import read_modalities
    >>> adata = scmamba.datasets.synthetic(6, 60, 2)
    >>> adata.var["feature_types"] = ["Gene Expression"] * 30 + ["Antibody Capture"] * 30
    >>> read_modalities(adata)
    6 cells, 2 modalities
      rna     6 cells x 30 genes, counts; in the given order
      prot    6 cells x 30 proteins, counts
      paired  6 cells have all modalities
    """
    parts, tables = parts_of(data, modalities)
    values = [values_of(part, _layer_of(layer, part)) for part in parts]
    obs = _union([*tables, *(part.adata.obs for part in parts)])
    batch = np.zeros(len(obs), dtype=np.int64) - 1
    if batch_key is not None:
        texts, missing = label_texts(obs_column(obs, batch_key, "batch_key", "obs of the data"))
        batch = np.where(missing, -1, pd.factorize(texts)[0]).astype(np.int64)
    found = {}
    for name in KINDS:
        chosen = [one for one, part in zip(values, parts, strict=True) if part.name == name]
        if chosen:
            found[name] = _joined(name, chosen, obs.index, batch)
    result = Modalities(found, obs)
    _report(result)
    return result


def _layer_of(layer: str | Mapping[str, str] | None, part: Part) -> str | None:
    if layer is None or isinstance(layer, str):
        return layer
    if unknown := [name for name in layer if name not in KINDS]:
        raise ScmambaError(
            f"layer={dict(layer)!r} has the key {unknown[0]!r}; allowed: "
            f"{', '.join(map(repr, KINDS))}"
        )
    return layer.get(part.name)


def _union(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Annotations of all cells; where two tables tell of a cell, the first one counts."""
    index = pd.Index(list(dict.fromkeys(str(name) for table in tables for name in table.index)))
    columns: dict[str, pd.Series] = {}
    for table in tables:
        table = table[~table.index.duplicated()]
        for name in table.columns:
            column = table[name].reindex(index)
            if name in columns:
                columns[name] = _filled(columns[name], column)
            else:
                columns[name] = column
    return pd.DataFrame(columns, index=index)


def _filled(first: pd.Series, second: pd.Series) -> pd.Series:
    if not first.isna().any():
        return first
    if first.dtype == second.dtype and not isinstance(first.dtype, pd.CategoricalDtype):
        return first.where(first.notna(), second)
    categorical = isinstance(first.dtype, pd.CategoricalDtype)
    made = first.astype(object).where(first.notna(), second.astype(object))
    return made.astype("category") if categorical else made


def _joined(name: str, values: list[Values], index: pd.Index, batch: Ints) -> Modality:
    """One modality of several inputs: cells below one another, features side by side."""
    cells = index.get_indexer(np.concatenate([one.cells.astype(str) for one in values]))
    if len(np.unique(cells)) < len(cells):
        twice = index[np.bincount(cells).argmax()]
        raise ScmambaError(
            f"cell {twice!r} occurs in two inputs of {name!r}; cells are joined by name: rename "
            "those of one input, such as with a suffix for its batch"
        )
    _check_units(name, values)
    _check_builds(values)
    names = pd.Index(list(dict.fromkeys(n for one in values for n in one.names)))
    blocks, panel, masks = [], [], list[Bools]()
    n_panels = 0
    for one in values:
        columns = names.get_indexer(one.names)
        X = one.X
        if not np.array_equal(columns, np.arange(len(names))):
            X = sparse.csr_matrix(
                (X.data, columns[X.indices], X.indptr), shape=(X.shape[0], len(names))
            )
            X.sort_indices()
        blocks.append(X)
        patterns, codes = _patterns(one)
        mask = np.zeros((len(patterns), len(names)), dtype=bool)
        mask[:, columns] = patterns
        panel.append(codes + n_panels)
        masks.append(mask)
        n_panels += len(mask)
    X = blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")
    panels, of_cell = np.concatenate(masks), np.concatenate(panel)
    order = np.argsort(cells)
    order = order[np.diff(X.indptr)[order] > 0]
    if not len(order):
        raise ScmambaError(f"modality {name!r} holds no value above 0; drop it")
    if n_lacking := len(cells) - len(order):
        logger.warning("%s: %s cells without any value are not measured", name, f"{n_lacking:,}")
    if not np.array_equal(order, np.arange(len(cells))):
        X = X[order]
    cells, of_cell = cells[order].astype(np.int64), of_cell[order]
    panels, of_cell = distinct_panels(*split_by_batch(X, panels, of_cell, batch[cells]))
    first = _first(values, names)
    return Modality(
        name,
        X,
        np.array([one.features[i] for one, i in first], dtype=object),
        names.to_numpy(dtype=object),
        values[0].unit,
        cells,
        panels,
        of_cell,
        np.array([one.controls[i] for one, i in first], dtype=bool),
        _intervals(values, first),
    )


def _patterns(one: Values) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sets of features that were measured, and that of each cell."""
    n_cells, n_features = one.X.shape
    if one.measured is None:
        return np.ones((1, n_features), dtype=bool), np.zeros(n_cells, dtype=np.int64)
    patterns, codes = np.unique(one.measured, axis=0, return_inverse=True)
    return patterns, codes.reshape(-1).astype(np.int64)


def _first(values: list[Values], names: pd.Index) -> list[tuple[Values, int]]:
    places: dict[Any, tuple[Values, int]] = {}
    for one in values:
        for i, name in enumerate(one.names):
            places.setdefault(name, (one, i))
    return [places[name] for name in names]


def _intervals(values: list[Values], first: list[tuple[Values, int]]) -> pd.DataFrame | None:
    if any(one.intervals is None for one in values):
        return None
    if len(values) == 1:
        return values[0].intervals
    rows = [one.intervals.iloc[i] for one, i in first if one.intervals is not None]
    return pd.DataFrame(rows).reset_index(drop=True)


def _check_units(name: str, values: list[Values]) -> None:
    units = list(dict.fromkeys(one.unit for one in values))
    counted = {"counts", "fractional counts"}
    if len(units) > 1 and not set(units) <= counted and name != "atac":
        raise ScmambaError(
            f"inputs of {name!r} are in different units: {', '.join(units)}; give all of them as "
            "counts, or all in the same unit: layer={...}"
        )


def _check_builds(values: list[Values]) -> None:
    """Raise ScmambaError where peaks of two inputs cannot be of one genome build."""
    builds = [possible_builds(one.intervals) for one in values if one.intervals is not None]
    if len(builds) > 1 and all(builds) and not set.intersection(*map(set, builds)):
        told = " and ".join(" or ".join(one) for one in builds)
        raise ScmambaError(
            f"peaks of the inputs are of different genome builds ({told}, by the lengths of their "
            "chromosomes); lift one over, or call peaks together"
        )


def _report(found: Modalities) -> None:
    logger.info("%s", found)
    if len(found) > 1 and not found.n_paired:
        logger.warning("no cell has all modalities%s", _hint(found))
    for name, one in found.items():
        if len(one.panels) > 1 and not one.panels.all(0).any():
            logger.warning("%s: no feature was measured in all cells", name)


def _hint(found: Modalities) -> str:
    """Say how names would match, where they do without the number of the lane."""
    bare = found.obs.index.str.replace(r"[-_.]\d+$", "", regex=True)
    groups = [set(bare[one.cells]) for one in found.values()]
    n_shared = len(set.intersection(*groups))
    if n_shared < 0.5 * min(map(len, groups)):
        return ""
    example = [found.obs.index[one.cells[0]] for one in found.values()]
    return (
        f", but {n_shared:,} would without the number at the end of their names "
        f"({', '.join(map(repr, example))}): rename the cells of one modality if they are the same"
    )
