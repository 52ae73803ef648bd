"""The files of a corpus: the cells of a data set that are good enough, and no copies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._files import atomic, writing
from scmamba.stream.corpus import CorpusFile
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import open_cells
from scmamba.tasks._corpus.filters import CellFilters

Flags = npt.NDArray[np.bool_]


def write_cells(
    one: CorpusFile, path: Path, settings: CorpusSettings, filters: CellFilters
) -> tuple[int, dict[str, int]]:
    """Write the cells of a data set that are used, one data set in memory at a time.

    Parameters
    ----------
    one
        The data set, and which of its cells are no copies.
    path
        The file, which is written atomically: counts in X, ``obs`` and ``var`` of the source.
    settings, filters
        Where the counts are, and which cells are good enough.

    Returns
    -------
    Number of cells, and of those that were left out by ``filters``, by reason.

    Raises
    ------
    ScmambaError
        No cell is left, or the file cannot be written.
    """
    used = np.zeros(one.content.n_cells, dtype=bool)
    used[one.rows] = True
    left: Counter[str] = Counter()
    parts = []
    with open_cells(one.content.path) as source:
        found = Expressions.of(source, layer=settings.layer, gene_key=settings.gene_key, log=False)
        for rows, block in found.blocks():
            reasons = filters.reasons(block)
            left.update(reasons[used[rows]].tolist())
            used[rows] &= reasons == ""
            parts.append(sparse.csr_matrix(block.X[used[rows]], dtype=np.float32))
        names, obs = found.first.var_names, source.obs[used].copy()
    if not used.any():
        raise ScmambaError(
            f"no cell of {one.content.path} is left ({dict(left)}); change the limits, or leave "
            "the file out"
        )
    made = AnnData(sparse.vstack(parts).tocsr(), obs)
    made.var_names = names.astype(str)
    made.var_names_make_unique()
    with writing(path), atomic(path) as temporary:
        made.write_h5ad(temporary, compression="gzip")
    del left[""]
    return int(used.sum()), dict(left)
