"""One HTML page for the result of any task."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from anndata import AnnData

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba._files import writable
from scmamba._keys import PREFIX, Keys
from scmamba._settings import settings
from scmamba.pl._report.findings import Findings, check_column
from scmamba.pl._report.page import Report, Section
from scmamba.pl._report.sections import SECTIONS
from scmamba.pl._report.sections.overview import TASKS

__all__ = ["Report", "Section", "report"]


def report(
    adata: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    labels_key: str | None = None,
    batch_key: str | None = None,
    model: Any = None,
    controls: AnnData | None = None,
    layer: str | None = None,
    sample: Any = None,
    n_cells: int = 20_000,
    title: str | None = None,
    key_added: str = PREFIX,
    seed: int | None = None,
) -> Report:
    """Make one self-contained HTML page of the result of any task.

    The page finds out what ran and shows what there is: what to look at first, in plain words;
    UMAPs; predicted labels, how sure they are and what batches consist of; a comparison with known
    labels; the genes behind each type; batches before and after integration; modalities; effects of
    perturbations and knock-outs; a gene network; validation; and what ran with which settings. It
    can be mailed, opened offline and printed.

    Parameters
    ----------
    adata
        Cells that a task wrote to, (n_cells, n_genes), an AnnData or a MuData; not changed.
    path
        HTML file to write, replaced as a whole; None: nothing is written.
    labels_key
        ``obs`` column of known labels, to compare with and to color by.
    batch_key
        ``obs`` column of batches; None: the one that the task used, or one of a usual name.
    model
        What made the results, such as an annotator: its training curve, and the genes that decide
        about its labels, are then shown too.
    controls
        Control cells of predicted ones, for the change that a perturbation makes.
    layer
        Layer with the expression; None: ``X`` or ``.raw``, whichever holds counts.
    sample
        Some of the cells of ``adata``, with the arrays to draw and compute with; None: at most
        ``n_cells`` of them, drawn by ``seed``.
    n_cells
        Cells that are drawn, at most.
    title
        Headline; None: what ran.
    key_added
        Prefix of the results.
    seed
        Random seed; None: ``settings.seed``.

    Returns
    -------
    The page: ``report.save(path)`` writes it, and a notebook shows it.

    Raises
    ------
    ScmambaError
        If a column is missing, there are no cells, or ``path`` cannot be written.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 30)
    >>> adata.uns["scmamba"] = {"task": "embed", "seed": 0}
    >>> print(scmamba.pl.report(adata, labels_key="cell_type", title="Blood"))
    Report: Blood
      Worth a look
      The cells by cell_type.
      Genes that cells of each cell_type express more of (t-test)
      What ran
    """
    if not all(hasattr(adata, name) for name in ("obs", "obsm", "uns")):
        raise ScmambaError(
            f"adata is a {type(adata).__name__}; give an AnnData or a MuData with results"
        )
    if not len(adata.obs):
        raise ScmambaError("adata holds no cells")
    check_count("n_cells", n_cells, optional=False)
    check_count("seed", seed, least=0)
    for key, option in ((labels_key, "labels_key"), (batch_key, "batch_key")):
        check_column(adata, key, option)
    if path is not None:
        writable(path)
    used, keys = settings.seed if seed is None else seed, Keys(key_added)
    some = _sample(adata, n_cells, used) if sample is None else sample
    found = Findings(adata, some, keys, labels_key, batch_key, model, controls, layer, used)
    headline = title or TASKS.get(found.task, "cells").capitalize()
    sections = [one for one in (make(found) for make in SECTIONS) if one is not None]
    page = Report(headline, sections=sections)
    if path is not None:
        page.save(path)
    return page


def _sample(adata: Any, n_cells: int, seed: int) -> Any:
    """At most ``n_cells`` cells, in memory."""
    n = len(adata.obs)
    backed = bool(getattr(adata, "isbacked", False))
    if n <= n_cells:
        return adata.to_memory() if backed else adata
    rows = np.sort(np.random.default_rng(seed).choice(n, n_cells, replace=False))
    some = adata[rows]
    return some.to_memory() if backed else some.copy()
