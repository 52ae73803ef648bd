"""Values of one modality of one input: checked, with unit, names and what was not measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.pp.expression import log_what_was_read, read
from scmamba.stream.modalities.container import Bools
from scmamba.stream.modalities.parts import Part
from scmamba.stream.modalities.peaks import is_peak, parse_peaks, peak_names
from scmamba.stream.modalities.proteins import isotype_controls, protein_names

COUNTS = "counts"
"""Layer that is read where X holds negative values."""


@dataclass(frozen=True)
class Values:
    """Values of one modality of one input.

    Attributes
    ----------
    X
        (n_cells, n_features) non-negative canonical float32 CSR without stored zeros.
    cells
        (n_cells,) unique names.
    features, names, controls, intervals
        As in :class:`~scmamba.stream.modalities.Modality`.
    unit
        ``"binary"`` or the kind of the unit.
    measured
        (n_cells, n_features) False where a value was missing (NaN); None where none was.
    """

    X: sparse.csr_matrix
    cells: pd.Index
    features: npt.NDArray[np.object_]
    names: npt.NDArray[np.object_]
    controls: Bools
    intervals: pd.DataFrame | None
    unit: str
    measured: Bools | None


def values_of(part: Part, layer: str | None) -> Values:
    """Read and check the values of a modality.

    Raises
    ------
    ScmambaError
        If the modality is empty, its cells have no unique names, its peaks are not intervals, or
        its values are negative or not finite.
    """
    adata = part.adata
    if not adata.n_obs or not adata.n_vars:
        raise ScmambaError(
            f"{part.place} is empty (shape {adata.n_obs} x {adata.n_vars}); drop it, or check the "
            "filters applied before"
        )
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()][0]
        raise ScmambaError(
            f"{part.place} has cells of the same name, such as {twice!r}, so that modalities "
            "cannot be joined; make them unique: adata.obs_names_make_unique()"
        )
    if part.name == "rna" and is_peak(adata.var_names[:1000]):
        raise ScmambaError(
            f"{part.place} is taken for RNA, but its features are intervals such as "
            f"{adata.var_names[0]!r}; give chromatin under the name 'atac'"
        )
    try:
        return _read(part, layer)
    except ScmambaError as error:
        if part.place in str(error):
            raise
        raise ScmambaError(f"{part.place}: {error}") from error


def _read(part: Part, layer: str | None) -> Values:
    adata, measured = part.adata, None
    if part.name != "rna":
        adata, measured = _plain(part, layer)
    found = read(adata, layer=_layer(adata, layer))
    log_what_was_read(found, adata, adata.obs_names)
    features = found.var_names
    names, intervals = features, None
    if part.name == "atac":
        intervals = parse_peaks(features.tolist(), f"peaks of {part.place}")
        names = peak_names(intervals)
    elif part.name == "prot":
        names = protein_names(features.tolist())
    else:
        var = adata.raw.var if found.source == "raw.X" else adata.var
        intervals = gene_intervals(var.loc[~var.index.duplicated()], features)
    unit = found.unit.kind
    if part.name == "atac" and found.X.nnz and (found.X.data == 1).all():
        unit = "binary"  # type: ignore[assignment]
    controls = np.zeros(len(features), dtype=bool)
    if part.name == "prot":
        controls = isotype_controls(features.tolist())
    made = Values(found.X, found.obs_names, features, names, controls, intervals, unit, measured)
    return _without_repeats(made, part)


def _plain(part: Part, layer: str | None) -> tuple[AnnData, Bools | None]:
    """Cells by features without types; missing values as 0, told apart."""
    given = part.adata
    if layer is not None and layer not in given.layers:
        present = ", ".join(map(repr, given.layers)) or "none"
        raise ScmambaError(f"layer={layer!r} is not in the layers of {part.place}: {present}")
    matrix = given.X if layer is None else given.layers[layer]
    if matrix is None:
        raise ScmambaError("X is None; put the values in X, or pass a layer: layer={...}")
    measured = None
    data = getattr(matrix, "data", None) if sparse.issparse(matrix) else matrix
    kind = np.dtype(matrix.dtype).kind
    if part.name == "prot" and kind == "f" and np.isnan(np.asarray(data)).any():
        dense = matrix.toarray() if sparse.issparse(matrix) else np.array(matrix)
        measured = ~np.isnan(dense)
        matrix = np.where(measured, dense, 0)
    var = pd.DataFrame(index=given.var_names)
    layers = {}
    if layer is not None:
        layers[layer] = matrix
    elif COUNTS in given.layers:
        layers[COUNTS] = given.layers[COUNTS]
    return AnnData(matrix, obs=given.obs[[]], var=var, layers=layers), measured


def _layer(adata: AnnData, layer: str | None) -> str | None:
    """Layer to read: that of counts where X is scaled and there is no ``raw``."""
    if layer is not None or adata.raw is not None or COUNTS not in adata.layers:
        return layer
    X: Any = adata.X
    if X is None or np.dtype(X.dtype).kind != "f":
        return None
    data = X.data if sparse.issparse(X) else np.asarray(X[:])
    if data.size and data.min() < 0:
        logger.info("X holds negative values (scaled?): layers[%r] is read", COUNTS)
        return COUNTS
    return None


def gene_intervals(var: pd.DataFrame, genes: npt.NDArray[np.object_]) -> pd.DataFrame | None:
    """Positions of genes in the genome from ``var``; None where it does not say them.

    Read are the columns ``chrom`` (or ``chromosome``, ``seqname``), ``start`` and ``end``, or
    ``interval`` as Cell Ranger writes it (``chr1:100-200``).
    """
    rows = var.reindex(genes)
    if "interval" in rows and is_peak(list(rows["interval"].astype(str))):
        text = rows["interval"].astype(str)
        known = np.array([is_peak([one]) for one in text])
        return parse_peaks(list(text.where(known, "unknown:0-0")))
    chrom = next((name for name in ("chrom", "chromosome", "seqname") if name in rows), None)
    if chrom is None or "start" not in rows or "end" not in rows:
        return None
    start, end = (pd.to_numeric(rows[name], errors="coerce") for name in ("start", "end"))
    known = (rows[chrom].notna() & start.notna() & end.notna()).to_numpy()
    if not known.any():
        return None
    triples = zip(rows[chrom].astype(str), start.fillna(0), end.fillna(0), strict=True)
    texts = [f"{name}:{int(a)}-{int(b)}" for name, a, b in triples]
    return parse_peaks([t if k else "unknown:0-0" for t, k in zip(texts, known, strict=True)])


def _without_repeats(made: Values, part: Part) -> Values:
    """Sum columns of the same name."""
    names = pd.Index(made.names)
    if names.is_unique:
        return made
    codes, unique = pd.factorize(names)
    first = np.unique(codes, return_index=True)[1]
    logger.info(
        "%s: %d of %d names repeat an earlier one: their values are summed",
        part.place,
        len(names) - len(unique),
        len(names),
    )
    ones = np.ones(len(codes), dtype=np.float32)
    sums = sparse.csr_matrix((ones, (np.arange(len(codes)), codes)))
    X = sparse.csr_matrix(made.X @ sums)
    X.sort_indices()
    return Values(
        X,
        made.cells,
        made.features[first],
        made.names[first],
        made.controls[first],
        None if made.intervals is None else made.intervals.iloc[first].reset_index(drop=True),
        made.unit,
        None if made.measured is None else made.measured[:, first],
    )
