"""Why an annotator gives a label: the genes that decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from anndata import AnnData

from scmamba._arguments import check_choice, check_count, check_flag, nearest
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._progress import progress_bar
from scmamba._settings import settings
from scmamba.pp.expression import expression
from scmamba.tasks._annotation.attribution import integrated_gradients
from scmamba.tasks._annotation.explanation import BASELINES, Baseline, Explanation
from scmamba.tasks._annotation.explanation_tables import Explained
from scmamba.tasks._annotation.gene_columns import GeneColumns, gene_columns
from scmamba.tasks._annotation.markers import mean_profile
from scmamba.tasks._annotation.paths import gradient_paths
from scmamba.tokens.cells.genes import GeneMatch

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator
    from scmamba.tasks._annotation.prediction import Cells

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExplanationRequest:
    """Options of :meth:`scmamba.tasks.Annotator.explain`; see there."""

    n_genes: int
    n_cells: int
    cell_types: tuple[str, ...]
    baseline: Baseline
    include_unknown: bool
    per_cell: bool
    seed: int

    @classmethod
    def of(
        cls,
        annotator: Annotator,
        cell_types: Sequence[str] | None,
        seed: int | None,
        **options: Any,
    ) -> ExplanationRequest:
        """Check the options of a call.

        Raises
        ------
        ScmambaError
            One is out of range, or a type is not known.
        """
        for name in ("n_genes", "n_cells"):
            check_count(name, options[name], optional=False)
        check_choice("baseline", options["baseline"], BASELINES)
        for name in ("include_unknown", "per_cell"):
            check_flag(name, options[name])
        asked = [cell_types] if isinstance(cell_types, str) else cell_types
        asked = annotator.classes if asked is None else tuple(map(str, asked))
        for name in asked:
            if name not in annotator.classes:
                near = nearest(name, annotator.classes)
                raise ScmambaError(
                    f"cell_types holds {name!r}, which the annotator does not know; it knows "
                    f"{len(annotator.classes)} types, such as {', '.join(map(repr, near))}"
                )
        check_count("seed", seed, least=0)
        return cls(cell_types=asked, seed=settings.seed if seed is None else seed, **options)


def explain(
    annotator: Annotator,
    adata: AnnData,
    *,
    n_genes: int = 20,
    n_cells: int = 100,
    cell_types: Sequence[str] | None = None,
    baseline: Baseline = "mean",
    include_unknown: bool = False,
    per_cell: bool = False,
    seed: int | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
) -> Explanation:
    """Find the genes that decide about the labels of cells.

    The log-odds of a cell's label, of both components together, are shared out among the
    genes by integrated gradients (Sundararajan et al., ICML 2017): the attributions of a cell
    sum to the difference of its log-odds from those of the baseline. Genes with the largest
    are then knocked out one by one: set to zero in the input, everything else left as it is.

    Parameters
    ----------
    adata
        Cells by genes; left as it is.
    n_genes
        Genes to report for each type, and for each cell.
    n_cells
        Cells to explain of each type, at most, drawn by ``seed``.
    cell_types
        Types to explain; None: all that are predicted.
    baseline
        ``"mean"``: what tells a cell from the mean of all types; ``"zero"``: from a cell
        without expression, where genes that every cell expresses count too.
    include_unknown
        Explain the best guess of cells that are called ``unknown`` too.
    per_cell
        Also list the genes that decide about each cell.
    seed
        Random seed of the draw of cells; None: ``settings.seed``.
    layer
        Layer that holds the expression; None: ``X`` or ``.raw``.
    use_raw
        Whether expression is in ``.raw``; None: looked for in ``X`` first.
    gene_key
        ``var`` column of gene names; None: the index, or a column that matches.

    Returns
    -------
    An explanation, whose ``table`` has one row per type and gene.

    Raises
    ------
    ScmambaError
        Expression cannot be used, a type is not known, or no cell is of a type to explain.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1, width=16)
    >>> annotator = scmamba.tasks.annotate(
    ...     cells[40:], cells[:40], labels_key="cell_type", training=quick
    ... )
    >>> found = annotator.explain(cells, n_genes=3, include_unknown=True)
    >>> found.table.columns.tolist()[:4]
    ['cell_type', 'gene', 'attribution', 'knockout_effect']
    """
    request = ExplanationRequest.of(
        annotator, cell_types, seed, n_genes=n_genes, n_cells=n_cells, baseline=baseline,
        include_unknown=include_unknown, per_cell=per_cell,
    )  # fmt: skip
    found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
    match = annotator._match(found)
    rows, codes = _chosen(annotator, annotator._aligned(found, match), request)
    some = replace(found, X=found.X[rows], obs_names=found.obs_names[rows])
    cells = annotator._aligned(some, match)
    columns, values = gene_columns(annotator, cells, match)
    start = _baseline(annotator, match, request.baseline)
    attribution, unexplained = _attributions(annotator, cells, codes, start, columns)
    start = np.concatenate([start, np.zeros(len(columns.names) - len(start))])
    explained = Explained(annotator, cells, codes, attribution, values, start, columns)
    return Explanation(
        explained.by_type(request.n_genes),
        explained.by_cell(request.n_genes) if request.per_cell else None,
        explained.means(attribution),
        explained.means(values > 0),
        {annotator.classes[code]: int((codes == code).sum()) for code in np.unique(codes)},
        unexplained,
        request.baseline,
    )


def _chosen(annotator: Annotator, cells: Cells, request: ExplanationRequest) -> tuple[Rows, Rows]:
    """Positions and classes of the cells to explain."""
    predicted = annotator._predictions(cells)
    codes, eligible = predicted.log_proba.argmax(1), ~predicted.empty
    if not request.include_unknown:
        eligible &= ~predicted.unknown
    asked = [annotator.classes.index(name) for name in request.cell_types]
    eligible &= np.isin(codes, asked)
    if not eligible.any():
        raise ScmambaError(
            f"of {len(codes):,} cells none is of a type to explain and sure enough; "
            f"{int(predicted.unknown.sum()):,} are called unknown (include_unknown=True explains "
            "their best guess)"
        )
    rng, drawn = np.random.default_rng(request.seed), []
    for code in np.unique(codes[eligible]):
        own = np.flatnonzero(eligible & (codes == code))
        drawn.append(rng.choice(own, min(len(own), request.n_cells), replace=False))
    rows = np.sort(np.concatenate(drawn))
    logger.info("explaining %s cells of %s types", f"{len(rows):,}", len(drawn))
    return rows, codes[rows].astype(np.int64)


def _baseline(annotator: Annotator, match: GeneMatch, baseline: Baseline) -> Floats:
    """(n_chosen,) values at which the path begins: 0 for genes that the cells lack."""
    chosen = annotator.panel.chosen
    if baseline == "zero":
        return np.zeros(len(chosen))
    return np.where(np.isin(chosen, match.index), mean_profile(annotator), 0.0)


def _attributions(
    annotator: Annotator, cells: Cells, codes: Rows, start: Floats, columns: GeneColumns
) -> tuple[Floats, float]:
    """(n, n_genes) attributions of the genes to the class of each cell, and the largest gap."""
    found, unexplained = np.zeros((len(codes), len(columns.names))), 0.0
    with progress_bar("Explaining cells", len(codes), unit="cells", delay=2) as bar:
        for path in gradient_paths(annotator, cells, start):
            parts, gap = integrated_gradients(
                path.score, path.cells, path.baseline, codes[path.rows]
            )
            found[path.rows, : columns.panel] += parts[0]
            if path.token_ids is not None and columns.tokens is not None:
                genes = np.where(path.token_ids >= 0, columns.tokens[path.token_ids], -1)
                at = np.nonzero(genes >= 0)
                np.add.at(found, (path.rows[at[0]], genes[at]), parts[1][at])
            unexplained = max(unexplained, float(gap.max()))
            bar.update(len(path.rows))
    return found, unexplained
