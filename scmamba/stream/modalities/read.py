"""Reading of several modalities from whatever holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._text import label_texts, obs_column
from scmamba.stream.modalities.cell_names import check_names
from scmamba.stream.modalities.container import KINDS, Modalities
from scmamba.stream.modalities.joined import joined
from scmamba.stream.modalities.parts import Part, parts_of
from scmamba.stream.modalities.peaks import BUILDS, possible_builds, require_one_build
from scmamba.stream.modalities.values import values_of


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
        cells of one modality have the same name, modalities name the same cells by barcodes with
        and without a suffix, peaks are not intervals or of several genome
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
            found[name] = joined(name, chosen, obs.index, batch)
    result = Modalities(found, obs)
    check_names(result)
    places = [one.intervals for name, one in found.items() if name != "prot"]
    require_one_build(places, "genes (their places in var) and peaks")
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


def _report(found: Modalities) -> None:
    logger.info("%s", found)
    if len(found) > 1 and not found.n_paired:
        apart = (found.measured.sum(1) < 2).all()
        logger.warning(
            "no cell has %s (cells are named %s)",
            "two modalities: nothing ties their embeddings together" if apart else "all modalities",
            ", ".join(
                f"{found.obs.index[one.cells[0]]!r} in {name}" for name, one in found.items()
            ),
        )
    places = found["atac"].intervals if "atac" in found else None
    if places is not None and not possible_builds(places):
        logger.warning(
            "atac: peaks reach beyond the chromosomes of %s: look at them if the cells are of "
            "human or mouse",
            ", ".join(BUILDS),
        )
    for name, one in found.items():
        if len(one.panels) > 1 and not one.panels.all(0).any():
            logger.warning("%s: no feature was measured in all cells", name)
