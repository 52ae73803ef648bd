"""Where the labels of an annotation call come from: cells of its inputs, or of a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._text import obs_column
from scmamba.jobs import Jobs, label_colors
from scmamba.stream.source import CellSource, open_cells
from scmamba.tasks._annotation_request import AnnotationRequest
from scmamba.tasks._labels import Labels, read_batches, read_labels


@dataclass(frozen=True)
class LabeledCells:
    """Cells of one or several sources, some of which are labeled.

    Attributes
    ----------
    sources
        The cells: those of references, or those to annotate.
    labels
        Labels of the cells of all sources, one source after the other.
    batches
        (n_cells,) batch of each of these cells, needed of labeled ones; or None.
    colors
        Color of each label, as far as the sources have them.
    from_reference
        Whether the cells are of references.
    """

    sources: tuple[CellSource, ...]
    labels: Labels
    batches: npt.NDArray[np.object_] | None
    colors: dict[str, str]
    from_reference: bool

    def own_labels(self, rows: slice) -> Labels | None:
        """Labels of some of the cells to annotate, which keep them; None where others are labeled.

        Parameters
        ----------
        rows
            The cells, among those of all inputs.
        """
        if self.from_reference:
            return None
        return replace(self.labels, codes=self.labels.codes[rows])


@contextmanager
def open_references(references: Sequence[AnnData | Path]) -> Iterator[tuple[CellSource, ...]]:
    """Give the cells of the references, each opened and checked once."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(open_cells(one)) for one in references)


def labeled_cells(
    request: AnnotationRequest, jobs: Jobs, references: tuple[CellSource, ...]
) -> LabeledCells | None:
    """Read labels and batches; None where the annotator was given.

    Raises
    ------
    ScmambaError
        A column is missing or holds no labels, or all cells to annotate are labeled already.
    """
    if request.saved is not None or request.labels_key is None:
        return None
    sources = references or tuple(job.source for job in jobs)
    where = "reference.obs" if references else "adata.obs"
    key, batch_key, batches = request.labels_key, request.batch_key, None
    labels = read_labels(
        _columns(sources, "labels_key", key, where), key, request.unlabeled_category, where
    )
    if batch_key is not None:
        table = _columns(sources, "batch_key", batch_key, where)
        batches = read_batches(table, batch_key, where, needed=labels.rows)
    if not references and len(labels.rows) == len(labels.codes):
        raise ScmambaError(
            f"every cell of adata.obs[{key!r}] is labeled, so none is left to annotate; set those "
            f"to be predicted to NaN or {request.unlabeled_category!r}, or pass the labeled cells "
            "as reference="
        )
    colors: dict[str, str] = {}
    for source in sources:
        colors = label_colors(source.obs, source.uns, key) | colors
    return LabeledCells(sources, labels, batches, colors, bool(references))


def _columns(sources: Sequence[CellSource], option: str, key: str, where: str) -> pd.DataFrame:
    """One column of ``obs`` of all sources, one after the other.

    Raises
    ------
    ScmambaError
        Some of several sources have no such column, or have it twice.
    """
    if len(sources) == 1:
        return sources[0].obs
    if lacking := [source.name for source in sources if key not in source.obs.columns]:
        raise ScmambaError(
            f"{option}={key!r} is not a column of {where} in {len(lacking)} of {len(sources)} "
            f"files: {', '.join(lacking)}; write it to each of them (NaN where a cell has none), "
            "or leave those files out"
        )
    columns = [
        obs_column(source.obs, key, option, f"obs of {source.name}").astype(object)
        for source in sources
    ]
    return pd.concat(columns, ignore_index=True).to_frame(key)
