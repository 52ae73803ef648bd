"""Which gene acts on which, as a model or a correlation sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._arguments import check_choice, check_count
from scmamba._keys import PREFIX, Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.jobs import AnyPath, Results, about, open_jobs
from scmamba.models import CellModel
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._cell_models import ReadCells
from scmamba.tasks._checks import check_folder
from scmamba.tasks._integration.integrator import Integrator
from scmamba.tasks._knockout.decode import fit_decoder
from scmamba.tasks._knockout.opening import OpenedCells, open_with_model
from scmamba.tasks._knockout.request import gene_list
from scmamba.tasks._knockout.shifts import Perturber
from scmamba.tasks._network import weights as by
from scmamba.tasks._network.edges import check_known, edge_table, enrichment, programs
from scmamba.tasks._network.result import GeneNetwork

if TYPE_CHECKING:
    from mudata import MuData

Method = Literal["knockout", "gradient", "embedding", "correlation"]
_REGULATORS = 500
"""Most variable genes that are regulators where none are named."""


def gene_network(
    adata: AnnData | MuData | AnyPath,
    model: CellModel | Annotator | Integrator | AnyPath | None = None,
    regulators: Sequence[str] | None = None,
    method: Method = "knockout",
    *,
    n_targets: int = 50,
    n_programs: int = 10,
    known_targets: pd.DataFrame | None = None,
    missing: Literal["error", "skip"] = "error",
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    key_added: str = PREFIX,
    seed: int | None = None,
    output: AnyPath | None = None,
) -> GeneNetwork:
    """Find edges from regulators to targets, with correlation beside.

    Parameters
    ----------
    adata
        Cells by genes: an AnnData, in memory or backed; a MuData, of which modality ``rna`` is
        taken; or a path, with ``output``.
    model
        As in :func:`scmamba.tasks.knockout`; None: a compact model of these cells.
    regulators
        Genes that may act on others, such as transcription factors; None: the 500 most variable.
    method
        ``"knockout"``: loss of the target's expression when the regulator is deleted from the
        model's input; directed and signed. ``"gradient"``: mean slope of the target's expression
        on the regulator's value; directed and signed. ``"embedding"``: cosine of the model's gene
        embeddings; neither. ``"correlation"``: Pearson correlation; signed.
    n_targets
        Edges kept for each regulator.
    n_programs
        Groups of targets on which the same regulators act.
    known_targets
        Table with columns ``regulator`` and ``target``, one row per known edge.
    missing
        What is done with regulators that the cells or the model lack, or that no cell expresses:
        ``"skip"`` leaves them out, for long lists of transcription factors.
    batch_key
        ``obs`` column with the batch of each cell, for a model that normalizes each by itself.
    layer, use_raw, gene_key
        Where expression and names of genes are; see :func:`scmamba.pp.expression`.
    key_added
        Prefix of the keys under which results are written.
    seed
        Random seed; None: ``settings.seed``.
    output
        For a path: the file to write, a copy with the results added.

    Returns
    -------
    The network. Written are ``varp["scmamba_network"]`` and ``varp["scmamba_correlation"]``
    (n_vars, n_vars), sparse, of the kept edges with regulators in rows,
    ``var["scmamba_program"]`` and ``uns["scmamba"]``.

    Raises
    ------
    ScmambaError
        A regulator is unknown (the error names those that are near), expression cannot be used, or
        the model does not load. Nothing is written then.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 30)
    >>> network = scmamba.tasks.gene_network(adata, regulators=["gene_1", "gene_2"], n_targets=5)
    >>> network.edges.shape, network.weights.shape
    ((10, 5), (2, 30))
    """
    check_choice("method", method, get_args(Method))
    check_choice("missing", missing, ("error", "skip"))
    check_count("n_targets", n_targets, optional=False)
    check_count("n_programs", n_programs, optional=False)
    check_folder(model, "annotator.json", "integrator.json")
    names = None if regulators is None else gene_list(regulators, "regulators")
    known = None if known_targets is None else check_known(known_targets)
    keys, used = Keys(key_added), settings.seed if seed is None else seed
    where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
    with open_jobs(adata, output) as jobs:
        needed = names if names is not None and missing == "error" else []
        found = open_with_model(jobs[0], model, batch_key, where, used, needed, "regulators")
        opened = found.whole()
        network = _network(opened, names, method, missing, n_targets, n_programs, known, used)
        jobs[0].write(_results(opened, network, keys, len(jobs[0].source.var), used), "")
    return network


def _network(
    opened: OpenedCells,
    names: list[str] | None,
    method: Method,
    missing: str,
    n_targets: int,
    n_programs: int,
    known: pd.DataFrame | None,
    seed: int,
) -> GeneNetwork:
    """Weigh all pairs of a regulator and a target."""
    read, values, columns = opened.read, opened.values, opened.columns
    names = _most_variable(read, values, columns) if names is None else names
    if missing == "skip":
        names = _present(read, names)
    ids = read.ids(names, "regulators")
    names = [read.genes[int(i)] for i in ids]
    perturber = Perturber(read, "delete")
    decoder = fit_decoder(perturber.before, values, seed)
    targets, kept = [columns[i] for i in decoder.genes], decoder.genes
    column = {name: i for i, name in enumerate(columns)}
    correlation = by.by_correlation(values, np.array([column[n] for n in names]), kept)
    if method == "knockout":
        found_weights = by.by_knockout(perturber, ids, decoder)
    elif method == "gradient":
        found_weights = by.by_gradient(read, ids, decoder)
    elif method == "embedding":
        inside = set(read.genes.values())
        some = [i for i, name in enumerate(targets) if name in inside]
        kept, correlation = kept[some], correlation[:, some]
        targets = [targets[i] for i in some]
        found_weights = by.by_embedding(read, ids, read.ids(targets, "targets"))
    else:
        found_weights = correlation
    weights = _without_self(found_weights, names, targets)
    beside = _without_self(correlation, names, targets)
    return GeneNetwork(
        edge_table(weights, beside, n_targets, signed=method != "embedding"),
        weights,
        beside,
        programs(weights, n_programs, seed),
        _enriched(method, weights, beside, known, n_targets),
        method,
        "no model" if method == "correlation" else read.model.name or "random weights",
    )


def _most_variable(read: ReadCells, values: sparse.csr_matrix, columns: list[str]) -> list[str]:
    """Names of the most variable genes that the model knows."""
    inside = set(read.genes.values())
    some = np.array([i for i, name in enumerate(columns) if name in inside])
    spread = by.deviation(values)[some]
    chosen = some[np.argsort(-spread, kind="stable")[:_REGULATORS]]
    logger.info("no regulators are named: the %d most variable genes are taken", len(chosen))
    return [columns[i] for i in chosen]


def _present(read: ReadCells, names: list[str]) -> list[str]:
    """Those of the names that the model knows and some cell expresses."""
    seen = np.unique(read.data.tokens.gene_ids)
    expressed = {read.genes[int(i)] for i in seen if int(i) in read.genes}
    found = [name for name in names if name in expressed]
    logger.info("%d of %d regulators are expressed", len(found), len(names))
    return found or names


def _without_self(
    weights: npt.NDArray[np.float64], names: list[str], targets: list[str]
) -> pd.DataFrame:
    table = pd.DataFrame(weights, pd.Index(names, name="regulator"), targets, copy=True)
    for name in names:
        if name in table.columns:
            table.loc[name, name] = np.nan
    return table


def _enriched(
    method: str,
    weights: pd.DataFrame,
    correlation: pd.DataFrame,
    known: pd.DataFrame | None,
    n_targets: int,
) -> pd.DataFrame:
    ranked = {method: weights, "correlation": correlation}
    empty = pd.DataFrame({"regulator": [], "target": []}, dtype=str)
    return enrichment(ranked.items(), empty if known is None else known, n_targets)


def _results(
    opened: OpenedCells, network: GeneNetwork, keys: Keys, n_vars: int, seed: int
) -> Results:
    """Edges and programs to write; of genes with one name, the first in ``var`` has them."""
    results, genes = Results(), opened.found.var_names
    results.uns[keys.uns] = about(
        "gene_network", model=network.model, seed=seed, params={"method": network.method}
    )
    if len(genes) != n_vars:  # expression is in .raw, whose genes are others
        logger.warning("expression is in .raw: edges are in the result, not in varp")
        return results
    place: dict[str, int] = {}
    for i, name in enumerate(map(str, genes)):
        place.setdefault(name, i)
    rows = [place[name] for name in network.edges["regulator"]]
    columns = [place[name] for name in network.edges["target"]]
    for key, field in ((keys.network, "weight"), (keys.correlation, "correlation")):
        data = network.edges[field].to_numpy(np.float32)
        results.varp[key] = sparse.csr_matrix((data, (rows, columns)), (n_vars, n_vars))
    label = np.full(n_vars, None, object)
    for name, program in network.programs.items():
        label[place[str(name)]] = program
    results.var[keys.program] = pd.Categorical(label, network.programs.cat.categories)
    return results
