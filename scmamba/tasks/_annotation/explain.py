"""Why an annotator gives a label: the genes that decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._arguments import check_choice, check_count, check_flag, nearest
from scmamba._describe import Described, listed
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._progress import progress_bar
from scmamba._settings import settings
from scmamba.pp.expression import expression
from scmamba.tasks._annotation.attribution import integrated_gradients
from scmamba.tasks._annotation.gene_knockout import GeneColumns, knockout_effects
from scmamba.tasks._annotation.markers import mean_profile
from scmamba.tasks._annotation.paths import gradient_paths
from scmamba.tasks._panel import aligned
from scmamba.tokens.cells.genes import GeneMatch, resolve

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator, Cells

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Baseline = Literal["mean", "zero"]
BASELINES = get_args(Baseline)

EXPRESSED, ABSENT = "expressed", "absent"
"""Kinds of evidence: more of a gene than at the baseline, or less."""


@dataclass(frozen=True, repr=False)
class Explanation(Described):
    """Genes that decide about labels, as :meth:`scmamba.tasks.Annotator.explain` finds them.

    Attributes
    ----------
    table
        The genes that argue most for each type, one row per type and gene, the strongest first:
        ``cell_type``; ``gene``; ``attribution``, its part in the log-odds of the type, mean over
        cells, in nats; ``knockout_effect``, the mean drop of the log-odds when the gene is set to
        zero; ``mean_expression``, log1p of counts per 10,000; ``fraction_of_cells`` that express
        it, in [0, 1]; and ``evidence``: ``"expressed"`` where the cells have more of it than the
        baseline, ``"absent"`` where they have less.
    cells
        The same for each cell, with ``cell`` in front and ``expression`` for the last columns;
        None where it was not asked for.
    attributions, fractions
        (n_types, n_genes) mean attribution of every gene to each type, and fraction of the type's
        cells that express it.
    n_cells
        Number of cells explained, by type.
    unexplained
        Largest difference, over all cells, between the sum of the attributions and the change of
        the log-odds from the baseline: 0 if integration were exact.
    baseline
        Where the path to each cell began.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1, width=16)
    >>> annotator = scmamba.tasks.annotate(
    ...     cells[40:], cells[:40], labels_key="cell_type", training=quick
    ... )
    >>> found = annotator.explain(cells, include_unknown=True)
    >>> list(found.attributions.index)
    ['type_0', 'type_1']
    """

    table: pd.DataFrame
    cells: pd.DataFrame | None
    attributions: pd.DataFrame
    fractions: pd.DataFrame
    n_cells: dict[str, int]
    unexplained: float
    baseline: Baseline

    def top(self, n: int = 5, *, evidence: str | None = EXPRESSED) -> dict[str, list[str]]:
        """Return the first ``n`` genes of each type; ``evidence=None``: of both kinds."""
        check_count("n", n, optional=False)
        check_choice("evidence", evidence, (EXPRESSED, ABSENT, None))
        kept = self.table if evidence is None else self.table[self.table["evidence"] == evidence]
        groups = kept.groupby("cell_type", sort=False, observed=True)["gene"]
        found = {str(name): genes.head(n).tolist() for name, genes in groups}
        return {name: found.get(name, []) for name in self.n_cells}

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        genes = {name: ", ".join(genes) for name, genes in self.top().items()}
        return "Explanation", {
            "cells": f"{sum(self.n_cells.values()):,} of {listed(list(self.n_cells))}",
            "baseline": self.baseline,
            "unexplained": f"at most {self.unexplained:.3f} nats of a cell",
            **{f"  {name}": text or "none" for name, text in genes.items()},
        }


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

    See :meth:`scmamba.tasks.Annotator.explain`.

    Parameters
    ----------
    annotator
        Whose labels are explained.
    adata
        Cells by genes; left as it is.
    n_genes
        Genes to report for each type, and for each cell.
    n_cells
        Cells to explain of each type, at most, drawn by ``seed``.
    cell_types
        Types to explain; None: all that are predicted.
    baseline
        ``"mean"``: what tells the cell from the mean of all types; ``"zero"``: from a cell without
        expression, where genes that every cell expresses count too.
    include_unknown
        Explain the best guess of cells that are called ``unknown`` too.
    per_cell
        Also list the genes that decide about each cell.
    seed
        Of the draw of cells; None: ``settings.seed``.
    layer
        Layer that holds the expression; None: ``X`` or ``.raw``.
    use_raw
        Whether expression is in ``.raw``; None: looked for in ``X`` first.
    gene_key
        ``var`` column of gene names; None: the index, or a column that matches.
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
    columns, values = _columns(annotator, cells, match)
    start = _baseline(annotator, match, request.baseline)
    attribution, unexplained = _attributions(annotator, cells, codes, start, columns)
    start = np.concatenate([start, np.zeros(len(columns.names) - len(start))])
    explained = _Explained(annotator, cells, codes, attribution, values, start, columns)
    return Explanation(
        explained.by_type(request),
        explained.by_cell(request) if request.per_cell else None,
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


def _columns(
    annotator: Annotator, cells: Cells, match: GeneMatch
) -> tuple[GeneColumns, sparse.csr_matrix]:
    """Where all genes that the annotator reads are, and (n, n_genes) log-normalized values."""
    names, values, found = annotator.panel.names, cells.values, cells.expression
    place = {int(gene): i for i, gene in enumerate(annotator.panel.chosen)}
    of_column = np.array([place.get(int(target), -1) for target in match.index])
    if annotator.reads_panel:
        return GeneColumns(names, len(names), None, _placed(of_column, len(names))), values
    vocab = annotator.neural.model.vocab
    tokens = np.full(len(vocab), -1, np.int64)
    known = resolve(names, vocab.tokens).index
    tokens[known[known >= 0]] = np.flatnonzero(known >= 0)
    special = {vocab.pad_id, vocab.cls_id, vocab.eoc_id}
    new = [i for i in range(len(vocab)) if tokens[i] < 0 and i not in special]
    tokens[new] = len(names) + np.arange(len(new))
    own = resolve(found.var_names.tolist(), vocab.tokens)
    both = np.where(of_column >= 0, of_column, np.where(own.index >= 0, tokens[own.index], -1))
    more = aligned(found, own, len(vocab))[:, new]
    every = [*names, *(vocab.tokens[i] for i in new)]
    columns = GeneColumns(every, len(names), tokens, _placed(both, len(every)))
    return columns, sparse.hstack([values, more]).tocsr()


def _placed(of_column: Rows, n_genes: int) -> sparse.csr_matrix:
    here = np.flatnonzero(of_column >= 0)
    ones = np.ones(len(here), np.float32)
    return sparse.csr_matrix((ones, (of_column[here], here)), shape=(n_genes, len(of_column)))


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


@dataclass(frozen=True)
class _Explained:
    """Attributions of cells, and what tables are made of."""

    annotator: Annotator
    cells: Cells
    codes: Rows
    attribution: Floats
    values: sparse.csr_matrix
    start: Floats
    columns: GeneColumns

    def means(self, values: Floats | sparse.csr_matrix) -> pd.DataFrame:
        """(n_types, n_genes) means over the cells of each type."""
        present = np.unique(self.codes)
        rows = [np.asarray(values[self.codes == code].mean(0)).ravel() for code in present]
        index = pd.Index([self.annotator.classes[code] for code in present], name="cell_type")
        return pd.DataFrame(np.stack(rows), index, self.columns.names)

    def by_type(self, request: ExplanationRequest) -> pd.DataFrame:
        """Return the genes that argue most for each type."""
        n, names = request.n_genes, np.array(self.columns.names, object)
        present = np.unique(self.codes)
        mean = self.means(self.attribution).to_numpy()
        best = np.argsort(-mean, axis=1, kind="stable")[:, :n]
        own = best[np.searchsorted(present, self.codes)]
        effects = self._effects(own, "Knocking out genes of types")
        parts = []
        for i, code in enumerate(present):
            cells = self.codes == code
            values = self.values[np.flatnonzero(cells)][:, best[i]]
            level = np.asarray(values.mean(0)).ravel()
            part = pd.DataFrame(
                {
                    "cell_type": self.annotator.classes[code],
                    "gene": names[best[i]],
                    "attribution": mean[i, best[i]],
                    "knockout_effect": effects[cells].mean(0),
                    "mean_expression": level,
                    "fraction_of_cells": np.asarray((values > 0).mean(0)).ravel(),
                    "evidence": np.where(level >= self.start[best[i]], EXPRESSED, ABSENT),
                }
            )
            parts.append(part[part["attribution"] > 0])
        return pd.concat(parts, ignore_index=True)

    def by_cell(self, request: ExplanationRequest) -> pd.DataFrame:
        """Return the genes that argue most for the label of each cell."""
        names = np.array(self.columns.names, object)
        best = np.argsort(-self.attribution, axis=1, kind="stable")[:, : request.n_genes]
        rows = np.arange(len(best))[:, None]
        level = np.stack(
            [row.toarray().ravel()[own] for row, own in zip(self.values, best, strict=True)]
        )
        types, n = np.array(self.annotator.classes, object)[self.codes], best.shape[1]
        table = pd.DataFrame(
            {
                "cell": self.cells.expression.obs_names.to_numpy().repeat(n),
                "cell_type": types.repeat(n),
                "gene": names[best].ravel(),
                "attribution": self.attribution[rows, best].ravel(),
                "knockout_effect": self._effects(best, "Knocking out genes of cells").ravel(),
                "expression": level.ravel(),
                "evidence": np.where(level >= self.start[best], EXPRESSED, ABSENT).ravel(),
            }
        )
        return table[table["attribution"] > 0].reset_index(drop=True)

    def _effects(self, genes: Rows, text: str) -> Floats:
        return knockout_effects(self.annotator, self.cells, self.codes, genes, self.columns, text)
