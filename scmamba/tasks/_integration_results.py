"""Cells brought into an integration block by block, and what is written of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba.jobs import Jobs, Results, about, label_colors
from scmamba.pp.expression import Expression, gene_names
from scmamba.tasks._checks import flag_empty
from scmamba.tasks._forward import block_values
from scmamba.tasks._integrating import IntegrationInput
from scmamba.tasks._integration.integrator import Integrator
from scmamba.tasks._integration.placing import Mapped
from scmamba.tasks._integration.reading import CellReader
from scmamba.tasks._integration_request import IntegrationRequest
from scmamba.tokens.cells.genes import resolve


@dataclass(frozen=True)
class CellsToPlace:
    """Cells of one input on their way into an integration.

    Attributes
    ----------
    one
        The input, read in blocks of the integrator's size.
    integrator
        The integration.
    fitted
        Rows of the cells in the reference, where all of them were fitted; else None.
    reader
        Reads blocks of the cells; None where there is nothing to read.
    """

    one: IntegrationInput
    integrator: Integrator
    fitted: slice | None
    reader: CellReader | None

    @classmethod
    def of(
        cls, one: IntegrationInput, integrator: Integrator, request: IntegrationRequest, jobs: Jobs
    ) -> CellsToPlace:
        """Match genes, and find the cells in the reference where they were fitted."""
        fitted = reader = None
        n_cells = sum(job.source.n_obs for job in jobs)
        if request.saved is None and len(integrator.reference.embedding) == n_cells:
            fitted = jobs.rows(one.job)
        found = replace(one.expressions, block_values=block_values(integrator.model))
        if fitted is None or request.decodes:
            with one.job.naming_errors():
                reader = integrator._reader(found.first)
        return cls(replace(one, expressions=found), integrator, fitted, reader)

    def block(self, *, decodes: bool) -> Callable[[slice, Expression], dict[str, npt.NDArray[Any]]]:
        """Return what gives the columns that are kept of a block of cells."""
        reader, names = self.reader, self.one.batches
        places = reader is not None and self.fitted is None
        integrator = self.integrator if places else None
        return partial(_read, integrator, reader if places or decodes else None, names, decodes)

    def mapped(self) -> Mapped | None:
        """Bring cells in after all blocks were read; None for fitted ones."""
        if self.fitted is not None:
            return None
        job = self.one.job
        with job.naming_errors():
            return self.integrator._placed(job.kept("states"), self.one.batches, self._counts)

    def _counts(self, rows: npt.NDArray[np.int64]) -> sparse.csr_matrix | None:
        assert self.reader is not None
        return self.reader.counts_of(self.one.expressions, rows)


def _read(
    integrator: Integrator | None,
    reader: CellReader | None,
    names: npt.NDArray[np.object_],
    decodes: bool,
    rows: slice,
    values: Expression,
) -> dict[str, npt.NDArray[Any]]:
    kept = {"empty": np.asarray((values.X > 0).sum(1)).ravel() == 0}
    if integrator is not None and reader is not None:
        kept["states"] = integrator._states(reader, values, names[rows])
    if reader is not None and decodes:
        kept["depth"] = reader.depth(values)
    return kept


def integration_results(cells: CellsToPlace, request: IntegrationRequest) -> Results:
    """Gather what is written for one input."""
    one, integrator, mapped = cells.one, cells.integrator, cells.mapped()
    keys, results, job = request.keys, Results(), one.job
    embedding = integrator.reference.embedding[cells.fitted] if mapped is None else mapped.embedding
    results.obsm[keys.embedding] = embedding
    if request.decodes:
        _add_decoded(results, one, integrator, request, embedding)
    if request.saved is None:
        mapped = None  # of the batches that were fitted, if not of their cells
    if mapped is not None:
        _add_mapped(results, one, integrator, request, mapped)
    flag_empty(results, keys, job.kept("empty"), job.source.obs)
    results.uns[keys.uns] = about(
        "integrate",
        batch_key=request.batch_key,
        batches=integrator.batches,
        corrected=integrator.likelihood if request.decodes else None,
        corrected_as=request.decoded_as if request.decodes else None,
        normed_as=None if mapped is None else mapped.normed_as,
        **integrator.about,
    )
    return results


def _add_decoded(
    results: Results,
    one: IntegrationInput,
    integrator: Integrator,
    request: IntegrationRequest,
    embedding: npt.NDArray[np.float32],
) -> None:
    keys, genes = request.keys, gene_names(one.job.source.var, request.gene_key, "adata.var")
    depth = np.array(one.job.kept("depth"))
    as_of = request.decoded_as
    results.layers[keys.corrected] = integrator._corrected_in(genes, embedding, depth, as_of)
    index = resolve(integrator.panel.names, genes.tolist()).index
    decoded = np.zeros(len(genes), dtype=bool)
    decoded[index[index >= 0]] = True
    results.var[keys.decoded] = decoded
    logger.warning(
        "layers[%r] holds model estimates for the %s of %s genes in var[%r], and 0 for all others; "
        "they vary less than measurements, so tests on them report false differences",
        keys.corrected,
        f"{int(decoded.sum()):,}",
        f"{len(genes):,}",
        keys.decoded,
    )


def _add_mapped(
    results: Results,
    one: IntegrationInput,
    integrator: Integrator,
    request: IntegrationRequest,
    mapped: Mapped,
) -> None:
    keys, source = request.keys, one.job.source
    results.obs[keys.distance] = mapped.near.distance
    if not integrator.classes:
        return
    codes = mapped.near.codes
    names = [integrator.classes[code] if code >= 0 else UNKNOWN for code in codes]
    colors = label_colors(source.obs, source.uns, request.labels_key)
    results.add_labels(keys.cell_type, names, integrator.classes, colors)
    results.obs[keys.confidence] = mapped.near.share
