"""The cells of a call: found, checked and integrated together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba.jobs import Job, Jobs, digest, identity
from scmamba.pp.expression import ways_to_counts
from scmamba.stream.expressions import Expressions
from scmamba.tasks._gather import gather, together
from scmamba.tasks._integration.checks import check_batches, tell_overlap
from scmamba.tasks._integration.integrator import Integrator, check_batch
from scmamba.tasks._integration.sampling import sample_batches
from scmamba.tasks._integration.task import FitTask
from scmamba.tasks._integration_request import IntegrationRequest
from scmamba.tasks._labels import Labels, read_batches, read_labels


@dataclass(frozen=True)
class IntegrationInput:
    """Cells of one input.

    Attributes
    ----------
    job
        The input and its output.
    expressions
        Expression of its n cells, block by block.
    batches
        (n,) batch of each cell.
    """

    job: Job
    expressions: Expressions
    batches: npt.NDArray[np.object_]


def locate(job: Job, request: IntegrationRequest) -> IntegrationInput:
    """Read the batches of one input and find its expression."""
    with job.naming_errors():
        batches = read_batches(job.source.obs, request.batch_key, "adata.obs")
        found = Expressions.of(job.source, **request.where)
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
    """Integrate the cells of all inputs together; the reference holds them in that order.

    Of files with more than ``training.max_cells`` cells in all, as many are read.
    """
    rows = _rows_to_fit(request, inputs)
    parts = []
    for one, own in zip(inputs, rows, strict=True):
        with one.job.naming_errors():
            parts.append(gather(one.expressions, own)[0])
    names = np.concatenate([one.batches[own] for one, own in zip(inputs, rows, strict=True)])
    found, labels = together(parts), _labels(request, inputs, rows)
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
    return task.fit(request.start, request.mode)


def _rows_to_fit(
    request: IntegrationRequest, inputs: Sequence[IntegrationInput]
) -> list[npt.NDArray[np.int64]]:
    """Rows of each input that the integrator is trained on: all that are in memory."""
    sizes = [len(one.batches) for one in inputs]
    if all(one.job.source.in_memory for one in inputs):
        return [np.arange(size) for size in sizes]
    names = np.concatenate([one.batches for one in inputs])
    chosen = sample_batches(names, request.training_for(len(names)).max_cells, request.seed)
    ends = np.cumsum(sizes)
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    return [part - end + size for part, end, size in zip(parts, ends, sizes, strict=True)]


def _labels(
    request: IntegrationRequest,
    inputs: Sequence[IntegrationInput],
    rows: Sequence[npt.NDArray[np.int64]],
) -> Labels | None:
    if request.labels_key is None:
        return None
    columns = []
    for one, own in zip(inputs, rows, strict=True):
        obs = one.job.source.obs
        if request.labels_key not in obs:
            with one.job.naming_errors():
                read_labels(obs, request.labels_key, UNKNOWN, "adata.obs")
        columns.append(obs[[request.labels_key]].iloc[own].astype(object))
    obs = columns[0] if len(columns) == 1 else pd.concat(columns)
    return read_labels(obs, request.labels_key, UNKNOWN, "adata.obs")


def call_digest(request: IntegrationRequest, jobs: Jobs) -> str:
    """Return one text that stands for all that decides the results."""
    saved = request.saved
    model = identity(request.model) if saved is None else f"{identity(saved.model)} {saved.about}"
    options = repr(replace(request, model=None, saved=None, start=None))
    return digest(task="integrate", files=jobs.stamp(), model=model, options=options)
