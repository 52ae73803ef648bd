"""Whatever holds several modalities, taken apart into one AnnData for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp.features import FEATURE_TYPES
from scmamba.stream.formats import as_path
from scmamba.stream.modalities.container import KINDS
from scmamba.stream.modalities.files import Several, read_several
from scmamba.stream.modalities.peaks import is_peak

PROTEIN_EXPRESSION, PROTEIN_NAMES = "protein_expression", "protein_names"
"""Keys of ``obsm`` and ``uns`` in which scvi-tools keeps proteins."""

_ALIASES = {
    "rna": ("rna", "gex", "gene expression", "gene", "genes", "mrna", "expression"),
    "prot": ("prot", "adt", "protein", "proteins", "antibody capture", "cite", "adts"),
    "atac": ("atac", "peaks", "peak", "chromatin", "chromatin accessibility"),
}
_ALLOWED = (
    "a MuData, a path (.h5mu, .zarr, .h5ad, 10x .h5 or mtx folder), an AnnData with "
    "var['feature_types'] or obsm['protein_expression'], or a dict or list of AnnData"
)


@dataclass(frozen=True)
class Part:
    """One modality of one input.

    Attributes
    ----------
    name
        ``"rna"``, ``"prot"`` or ``"atac"``.
    adata
        Cells by features of this modality; its ``raw`` belongs to it as well.
    place
        Where it was found, for messages.
    """

    name: str
    adata: AnnData
    place: str


def parts_of(
    data: Any, modalities: Mapping[str, str] | None
) -> tuple[list[Part], list[pd.DataFrame]]:
    """Find the modalities of an input.

    Parameters
    ----------
    data
        See :func:`~scmamba.stream.modalities.read_modalities`.
    modalities
        Names in the input (of modalities, feature types or a key of ``obsm``) by our names.

    Returns
    -------
    parts
        Modalities in the order found; several of one name are batches.
    tables
        Annotations of all cells of an input, where it has such a table.

    Raises
    ------
    ScmambaError
        If the input is of no supported type, or a modality that was asked for is missing.
    """
    _check_names(modalities)
    data = as_path(data)
    if isinstance(data, Path):
        data = read_several(data)
    parts, tables = [], []
    for part in _parts(data, modalities or {}, "data"):
        if isinstance(part, Part):
            parts.append(part)
        else:
            tables.append(part)
    found = {part.name for part in parts}
    if missing := [name for name in modalities or {} if name not in found]:
        raise ScmambaError(
            f"modalities={{{missing[0]!r}: {(modalities or {})[missing[0]]!r}}} is not in the "
            f"data, which has {', '.join(_given(data)) or 'nothing'}"
        )
    if not parts:
        raise ScmambaError(
            f"the data has {', '.join(_given(data)) or 'nothing'}, of which none is RNA, protein "
            "or chromatin by its name; say which is which: modalities={'rna': 'name in the data'}"
        )
    if modalities:
        parts = [part for part in parts if part.name in modalities]
    return parts, tables


def _parts(data: Any, names: Mapping[str, str], place: str) -> Iterator[Part | pd.DataFrame]:
    if isinstance(data, AnnData):
        yield from _of_anndata(data, names, place)
    elif isinstance(data, Several) or hasattr(data, "mod"):
        if getattr(data, "axis", 0) != 0:
            raise ScmambaError(
                f"this MuData shares features, not cells (axis={data.axis}); give one whose "
                "modalities are of the same cells: axis=0"
            )
        yield data.obs
        yield from _of_mapping(data.mod, names)
    elif isinstance(data, Mapping):
        yield from _of_mapping(data, names)
    elif isinstance(data, Sequence) and not isinstance(data, str):
        for i, one in enumerate(data):
            path = as_path(one)
            one = read_several(path) if isinstance(path, Path) else one
            yield from _parts(one, names, f"data[{i}]")
    else:
        raise ScmambaError(f"data is {type(data).__name__} {str(data)[:40]!r}; allowed: {_ALLOWED}")


def _of_mapping(mod: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Part]:
    unused = []
    for key, adata in mod.items():
        if not isinstance(adata, AnnData):
            raise ScmambaError(
                f"modality {key!r} is {type(adata).__name__}; allowed: an AnnData of cells by "
                "features for each modality"
            )
        name = _name(str(key), names)
        if name is None:
            unused.append(str(key))
            continue
        yield Part(name, _of_type(adata, name, names), f"modality {key!r}")
    if unused:
        logger.warning("modalities that are not used: %s", ", ".join(map(repr, unused)))


def _of_anndata(adata: AnnData, names: Mapping[str, str], place: str) -> Iterator[Part]:
    """Features by their types, and proteins in ``obsm``."""
    if FEATURE_TYPES in adata.var and adata.n_vars:
        kinds = adata.var[FEATURE_TYPES].astype(str)
        by_kind = {kind: _name(kind, names) for kind in dict.fromkeys(kinds)}
        for name in KINDS:
            chosen = kinds.isin([kind for kind, to in by_kind.items() if to == name]).to_numpy()
            if chosen.any():
                yield Part(name, _columns(adata, chosen), f"{place}: {FEATURE_TYPES} {name}")
        if unused := [kind for kind, name in by_kind.items() if name is None]:
            logger.warning("feature types that are not used: %s", ", ".join(map(repr, unused)))
    else:
        name = "atac" if is_peak(adata.var_names[:1000]) else "rna"
        name = next((ours for ours, theirs in names.items() if theirs == "X"), name)
        yield Part(name, adata, place)
    key = names.get("prot", PROTEIN_EXPRESSION)
    if key in adata.obsm:
        yield Part("prot", _proteins(adata, key), f"{place}.obsm[{key!r}]")


def _proteins(adata: AnnData, key: str) -> AnnData:
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        names, values = [str(name) for name in values.columns], values.to_numpy()
    else:
        stored = adata.uns.get(PROTEIN_NAMES)
        names = [f"protein_{i}" for i in range(values.shape[1])]
        if stored is None:
            logger.warning("proteins have no names: uns[%r] is missing", PROTEIN_NAMES)
        elif len(stored) != values.shape[1]:
            raise ScmambaError(
                f"uns[{PROTEIN_NAMES!r}] has {len(stored)} names for the {values.shape[1]} "
                f"proteins of obsm[{key!r}]; give one name for each column"
            )
        else:
            names = [str(name) for name in stored]
    return AnnData(values, obs=adata.obs[[]], var=pd.DataFrame(index=pd.Index(names, dtype=str)))


def _columns(adata: AnnData, chosen: np.ndarray) -> AnnData:
    """Columns of X and layers; ``raw``, which may have others, where all are chosen."""
    if chosen.all():
        return adata
    cells = adata.to_memory() if adata.isbacked else adata
    X = None if cells.X is None else cells.X[:, chosen]
    layers = {name: matrix[:, chosen] for name, matrix in cells.layers.items()}
    part = AnnData(X, obs=cells.obs, var=cells.var[chosen], layers=layers)
    raw = cells.raw
    if raw is not None and FEATURE_TYPES in raw.var:
        same = raw.var[FEATURE_TYPES].isin(part.var[FEATURE_TYPES].unique()).to_numpy()
        part.raw = AnnData(raw.X[:, same], obs=cells.obs[[]], var=raw.var[same])
    return part


def _of_type(adata: AnnData, name: str, names: Mapping[str, str]) -> AnnData:
    """Features of the type of a modality, where its ``var`` tells several."""
    if FEATURE_TYPES not in adata.var or adata.var[FEATURE_TYPES].nunique() < 2:
        return adata
    kinds = adata.var[FEATURE_TYPES].astype(str)
    chosen = kinds.map(lambda kind: _name(kind, {}) == name).to_numpy()
    return _columns(adata, chosen) if chosen.any() else adata


def _name(given: str, names: Mapping[str, str]) -> str | None:
    """Our name of a modality or feature type; the user's word goes first."""
    for ours, theirs in names.items():
        if theirs == given:
            return ours
    if given in KINDS and given in names:
        return None  # the user gave this modality another name
    text = given.strip().casefold()
    found = (ours for ours, aliases in _ALIASES.items() if text in aliases)
    return next((ours for ours in found if ours not in names), None)


def _check_names(modalities: Mapping[str, str] | None) -> None:
    if modalities is None:
        return
    if not isinstance(modalities, Mapping) or not modalities:
        raise ScmambaError(
            f"modalities={modalities!r}; give a dict of names in the data by 'rna', 'prot' or "
            "'atac', such as {'rna': 'GEX', 'prot': 'ADT'}"
        )
    if unknown := [name for name in modalities if name not in KINDS]:
        raise ScmambaError(
            f"modalities={dict(modalities)!r} has the key {unknown[0]!r}; allowed: "
            f"{', '.join(map(repr, KINDS))}, each with its name in the data"
        )


def _given(data: Any) -> list[str]:
    """Names of modalities or feature types, for errors."""
    if isinstance(data, AnnData):
        kinds = data.var[FEATURE_TYPES].astype(str) if FEATURE_TYPES in data.var else ()
        return [repr(one) for one in (*dict.fromkeys(kinds), *data.obsm)]
    if isinstance(data, Sequence):
        return [name for one in data for name in _given(one)]
    return [repr(name) for name in getattr(data, "mod", data)]
