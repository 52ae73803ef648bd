"""Modalities of an input as counts, over one list of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp.expression import expression
from scmamba.pp.units import Unit
from scmamba.tasks._multiomics.blocks import Kind

_KINDS: dict[str, Kind] = {
    "rna": "rna",
    "gex": "rna",
    "gene expression": "rna",
    "prot": "prot",
    "adt": "prot",
    "protein": "prot",
    "antibody capture": "prot",
    "atac": "atac",
    "peaks": "atac",
    "chromatin accessibility": "atac",
}
PROTEINS = "protein_expression"
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Measured:
    """One modality of an input.

    Attributes
    ----------
    name, kind
        Its name, and what it holds.
    X
        (n, n_features) counts, or linear values where counts could not be recovered; 1 for open
        peaks.
    features
        (n_features,) names.
    rows
        (n,) positions of its cells among those of the input.
    unit
        Unit in which the input holds it; None for peaks.
    factor
        Linear values of the input for each count, on average: 1 where it holds counts.
    """

    name: str
    kind: Kind
    X: sparse.csr_matrix
    features: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    unit: Unit | None
    factor: float = 1.0


@dataclass(frozen=True)
class Input:
    """Cells of an input.

    Attributes
    ----------
    obs
        (n_cells,) annotations; the index holds the names.
    modalities
        What was measured.
    """

    obs: pd.DataFrame
    modalities: tuple[Measured, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(one.name for one in self.modalities)


def read_input(data: Any, modalities: Mapping[str, Kind] | None = None) -> Input:
    """Read a MuData, an AnnData with several modalities, or a mapping of AnnData.

    Parameters
    ----------
    data
        MuData; AnnData with ``obsm["protein_expression"]`` or ``var["feature_types"]``; or AnnData
        by modality, whose cells are matched by name.
    modalities
        Kind of each modality, where its name does not tell it.

    Raises
    ------
    ScmambaError
        There is nothing to read, or a modality is of no known kind.
    """
    parts = _parts(data)
    if modalities is not None:
        if missing := [name for name in modalities if name not in parts]:
            raise ScmambaError(
                f"modalities names {missing[0]!r}, which is not in the data; it has "
                f"{', '.join(map(repr, parts))}"
            )
        parts = {name: parts[name] for name in modalities}
    if not parts:
        raise ScmambaError("the data holds no modality; give a MuData with rna, prot or atac")
    obs = _annotations(data, parts)
    found = []
    for name, adata in parts.items():
        kind = _kind(name, modalities)
        if adata.n_obs == 0 or adata.n_vars == 0:
            raise ScmambaError(
                f"modality {name!r} is empty ({adata.n_obs} cells x {adata.n_vars} features); "
                "remove it, or name the others: modalities={...}"
            )
        if not adata.obs_names.is_unique:
            raise ScmambaError(
                f"names of cells repeat in modality {name!r}; make them unique: "
                "adata.obs_names_make_unique()"
            )
        found.append(_measured(name, kind, adata, obs.index.get_indexer(adata.obs_names)))
    found.sort(key=lambda one: ("rna", "prot", "atac").index(one.kind))
    return Input(obs, tuple(found))


def _parts(data: Any) -> dict[str, AnnData]:
    if isinstance(data, AnnData):
        return _of_anndata(data)
    if hasattr(data, "mod"):
        return dict(data.mod.items())
    if isinstance(data, Mapping):
        return dict(data)
    raise ScmambaError(
        f"data is a {type(data).__name__}; allowed: a MuData, an AnnData with several modalities, "
        "or a mapping such as {'rna': adata, 'prot': proteins}"
    )


def _of_anndata(adata: AnnData) -> dict[str, AnnData]:
    if PROTEINS in adata.obsm:
        table = adata.obsm[PROTEINS]
        if isinstance(table, pd.DataFrame):
            names, values = table.columns.astype(str), table.to_numpy()
        else:
            values = table
            names = pd.Index(adata.uns.get("protein_names", np.arange(table.shape[1])).astype(str))
        proteins = AnnData(
            sparse.csr_matrix(values, dtype=np.float32),
            obs=pd.DataFrame(index=adata.obs_names),
            var=pd.DataFrame(index=names),
        )
        return {"rna": adata, "prot": proteins}
    if "feature_types" not in adata.var:
        return {"rna": adata}
    kinds = adata.var["feature_types"].astype(str)
    made = {}
    for kind in dict.fromkeys(kinds):
        name = _KINDS.get(kind.lower())
        if name is None:
            logger.warning("features of type %r are left out", kind)
            continue
        made[name] = adata[:, (kinds == kind).to_numpy()]
    return {str(name): part for name, part in made.items()}


def _annotations(data: Any, parts: Mapping[str, AnnData]) -> pd.DataFrame:
    """Columns of all modalities, for the union of their cells."""
    top = getattr(data, "obs", None)
    names = pd.Index([])
    if top is not None:
        names = top.index
    for adata in parts.values():
        names = names.append(adata.obs_names.difference(names, sort=False))
    obs = pd.DataFrame(index=names)
    tables = [] if top is None else [top]
    for table in [*tables, *(adata.obs for adata in parts.values())]:
        for key in table.columns:
            if table.index.is_unique:
                column = table[key].astype(object).reindex(names)
                obs[key] = column if key not in obs else obs[key].where(obs[key].notna(), column)
    return obs


def _kind(name: str, modalities: Mapping[str, Kind] | None) -> Kind:
    if modalities is not None and modalities[name] in ("rna", "prot", "atac"):
        return modalities[name]
    kind = _KINDS.get(name.lower())
    if kind is None:
        raise ScmambaError(
            f"modality {name!r} is of no known kind; say which: modalities={{{name!r}: 'prot'}}; "
            "allowed: 'rna', 'prot', 'atac'"
        )
    return kind


def _measured(name: str, kind: Kind, adata: AnnData, rows: npt.NDArray[np.int64]) -> Measured:
    plain = AnnData(adata.X, obs=adata.obs[[]], var=adata.var[[]], raw=adata.raw)
    found = expression(plain)
    if kind == "atac":
        X = sparse.csr_matrix(
            (np.ones_like(found.X.data, np.float32), found.X.indices, found.X.indptr),
            shape=found.X.shape,
        )
        unit, factor = None, 1.0
    else:
        X, unit = counts_of(found.X, found.unit), found.unit
        linear = float(found.unit.linear(found.X).sum(dtype=np.float64))
        factor = linear / max(float(X.sum(dtype=np.float64)), 1e-12)
    X.sort_indices()
    features = tuple(found.var_names.astype(str))
    if len(set(features)) < len(features):
        raise ScmambaError(
            f"names of features repeat in modality {name!r}; make them unique: "
            "adata.var_names_make_unique()"
        )
    return Measured(name, kind, X, features, rows.astype(np.int64), unit, factor)


def counts_of(X: sparse.csr_matrix, unit: Unit) -> sparse.csr_matrix:
    """Counts from values of any unit, as far as they can be recovered.

    Logarithms are undone. Normalized values of a cell are multiples of the smallest one; where
    that holds they are divided by it, which gives counts again.
    """
    linear = unit.linear(X).astype(np.float32)
    if unit.is_counts or not linear.nnz:
        return linear
    filled = np.diff(linear.indptr) > 0
    least = np.ones(linear.shape[0], np.float32)
    least[filled] = np.minimum.reduceat(linear.data, linear.indptr[:-1][filled])
    data = linear.data / np.repeat(least, np.diff(linear.indptr))
    whole = np.abs(data - np.rint(data)) < np.maximum(_TOLERANCE * data, _TOLERANCE)
    if whole.mean() > 0.99:
        data = np.rint(data)
        return sparse.csr_matrix((data, linear.indices, linear.indptr), shape=linear.shape)
    logger.warning("counts could not be recovered from %s; linear values stand for them", unit)
    return linear


def choose_features(one: Measured, wanted: Sequence[str]) -> tuple[sparse.csr_matrix, Any]:
    """(n, n_wanted) counts by name, and (n_wanted,) whether each was measured."""
    place = {name: i for i, name in enumerate(wanted)}
    column = np.array([place.get(name, -1) for name in one.features])
    here = np.flatnonzero(column >= 0)
    chosen = sparse.csr_matrix(
        (np.ones(len(here), np.float32), (here, column[here])), shape=(len(column), len(wanted))
    )
    X = (one.X @ chosen).tocsr()
    X.sort_indices()
    covered = np.zeros(len(wanted), bool)
    covered[column[here]] = True
    return X, covered
