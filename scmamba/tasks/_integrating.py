"""How the cells of a call are integrated together or mapped, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba.jobs import Job, Jobs, Results, about, digest, identity, label_colors
from scmamba.pp.expression import Expression, gene_names, ways_to_counts
from scmamba.pp.units import Unit
from scmamba.stream.expressions import Expressions
from scmamba.tasks._checks import flag_empty
from scmamba.tasks._gather import gather
from scmamba.tasks._integration.checks import check_batches, tell_overlap
from scmamba.tasks._integration.integrator import Integrator, Mapped, check_batch
from scmamba.tasks._integration.task import FitTask
from scmamba.tasks._integration_request import IntegrationRequest
from scmamba.tasks._labels import Labels, read_batches, read_labels
from scmamba.tokens.cells.genes import resolve


@dataclass(frozen=True)
class IntegrationInput:
    """Cells of one input, in memory.

    Attributes
    ----------
    job
        The input and its output.
    found
        Expression of its n cells.
    batches
        (n,) batch of each cell.
    """

    job: Job
    found: Expression
    batches: npt.NDArray[np.object_]


def read_cells(job: Job, request: IntegrationRequest) -> IntegrationInput:
    """Read the batches and the expression of one input."""
    with job.naming_errors():
        batches = read_batches(job.source.obs, request.batch_key, "adata.obs")
        found, _ = gather(Expressions.of(job.source, **request.where), np.arange(len(batches)))
    return IntegrationInput(job, found, batches)


def check_together(request: IntegrationRequest, jobs: Jobs) -> None:
    """Raise ScmambaError where the batches of all inputs cannot be integrated; nothing is read."""
    found = []
    for job in jobs:
        with job.naming_errors():
            found.append(read_batches(job.source.obs, request.batch_key, "adata.obs"))
    names = np.concatenate(found)
    check_batches(names, request.batch_key)
    if request.decodes:
        check_batch(request.decoded_as, tuple(sorted(set(names.tolist()))))


def fit_integrator(request: IntegrationRequest, inputs: Sequence[IntegrationInput]) -> Integrator:
    """Integrate the cells of all inputs together; the reference holds them in that order."""
    names = np.concatenate([one.batches for one in inputs])
    found, labels = together([one.found for one in inputs]), _labels(request, inputs)
    if labels is not None:
        tell_overlap(names, labels)
    if not found.unit.is_counts:
        logger.warning(
            "%s holds no counts but %s: bins are learned and decoded instead; %s",
            found.source,
            found.unit,
            ways_to_counts(inputs[0].job.source.take(slice(0, 200))),
        )
    task = FitTask(
        found,
        names,
        labels,
        request.n_top_genes,
        request.training_for(len(names)),
        request.objectives_for(counts=found.unit.is_counts),
        request.seed,
    )
    if request.decodes:
        task.check_decodes()
    return task.fit(request.start, finetune=request.finetune)


def _labels(request: IntegrationRequest, inputs: Sequence[IntegrationInput]) -> Labels | None:
    if request.labels_key is None:
        return None
    columns = []
    for one in inputs:
        obs = one.job.source.obs
        if request.labels_key not in obs:
            with one.job.naming_errors():
                read_labels(obs, request.labels_key, UNKNOWN, "adata.obs")
        columns.append(obs[[request.labels_key]].astype(object))
    obs = columns[0] if len(columns) == 1 else pd.concat(columns)
    return read_labels(obs, request.labels_key, UNKNOWN, "adata.obs")


def together(found: Sequence[Expression]) -> Expression:
    """Stack the expression of several inputs over the genes that all of them name.

    Raises
    ------
    ScmambaError
        Inputs hold different units, or have fewer than half of their genes in common.
    """
    first = found[0]
    if len(found) == 1:
        return first
    units = [one.unit for one in found]
    alike = len({unit.kind for unit in units}) == 1
    if len({unit.is_counts for unit in units}) > 1 or not (
        alike or all(unit.is_whole_library for unit in units)
    ):
        raise ScmambaError(
            f"the files hold {', '.join(dict.fromkeys(map(str, units)))}; give all of them the "
            'same unit, or name a layer that has it: layer="counts"'
        )
    if not alike:
        found = [replace(one, X=one.unit.linear(one.X)) for one in found]
        first = replace(
            first, unit=Unit("fractional counts" if units[0].is_counts else "normalized counts")
        )
    named = [dict.fromkeys(name for name in one.var_names.tolist() if name) for one in found]
    common = [name for name in named[0] if all(name in one for one in named[1:])]
    fewest = min(map(len, named))
    if 2 * len(common) < fewest:
        raise ScmambaError(
            f"the files have {len(common):,} gene names in common, and the one with the fewest has "
            f"{fewest:,}; give them the same kind of names: gene_key="
        )
    if len(common) < max(map(len, named)):
        logger.info("%s genes are in all files", f"{len(common):,}")
    stacked = sparse.vstack([_columns(one, common) for one in found], format="csr")
    return replace(first, X=stacked, var_names=np.array(common, dtype=object))


def _columns(found: Expression, names: Sequence[str]) -> sparse.csr_matrix:
    """(n_cells, n_names) expression by gene name; columns of the same name are added up."""
    place = {name: i for i, name in enumerate(names)}
    column = np.array([place.get(name, -1) for name in found.var_names.tolist()])
    rows = np.flatnonzero(column >= 0)
    shape = (len(column), len(names))
    chosen = (np.ones(len(rows), np.float32), (rows, column[rows]))
    return (found.X @ sparse.csr_matrix(chosen, shape=shape)).tocsr()


@dataclass(frozen=True)
class PlacedCells:
    """Cells of one input in an integration.

    Attributes
    ----------
    embedding
        (n_cells, d) float32.
    mapped
        Distances and labels of cells that were mapped; None for fitted ones.
    """

    embedding: npt.NDArray[np.float32]
    mapped: Mapped | None


def place_cells(
    one: IntegrationInput, integrator: Integrator, request: IntegrationRequest, rows: slice
) -> PlacedCells:
    """Take fitted cells from the reference, in which they are ``rows``, or map new ones."""
    if request.saved is None:
        return PlacedCells(integrator.reference.embedding[rows], None)
    with one.job.naming_errors():
        mapped = integrator._place(one.found, one.batches)
    return PlacedCells(mapped.embedding, mapped)


def integration_results(
    one: IntegrationInput,
    placed: PlacedCells,
    integrator: Integrator,
    request: IntegrationRequest,
) -> Results:
    """Gather what is written for one input."""
    keys, results, mapped = request.keys, Results(), placed.mapped
    results.obsm[keys.embedding] = placed.embedding
    if request.decodes:
        _add_decoded(results, one, integrator, request, placed.embedding)
    if mapped is not None:
        _add_mapped(results, one, integrator, request, mapped)
    empty = np.asarray((one.found.X > 0).sum(1)).ravel() == 0
    flag_empty(results, keys, empty, one.job.source.obs)
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
    as_of = request.decoded_as
    results.layers[keys.corrected] = integrator._corrected_like(one.found, genes, embedding, as_of)
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


def call_digest(request: IntegrationRequest, jobs: Jobs) -> str:
    """Return one text that stands for all that decides the results."""
    saved = request.saved
    model = identity(request.model) if saved is None else f"{identity(saved.model)} {saved.about}"
    options = repr(replace(request, model=None, saved=None))
    return digest(task="integrate", files=jobs.stamp(), model=model, options=options)
