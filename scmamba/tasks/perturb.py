"""Effects of perturbations learned from a screen, and predicted where nobody measured them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anndata import AnnData

from scmamba._arguments import check_count, check_flag
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.jobs import AnyPath
from scmamba.learn.effects.model import EffectModel
from scmamba.learn.training import PerturbationTraining
from scmamba.models import CellModel
from scmamba.tasks._perturbation.columns import Columns, check_cells
from scmamba.tasks._perturbation.knowledge import Knowledge, read_knowledge
from scmamba.tasks._perturbation.model import PerturbationModel
from scmamba.tasks._perturbation.reading import read_effects, read_screen
from scmamba.tasks._perturbation.requests import Perturbations, Requests

if TYPE_CHECKING:
    from mudata import MuData


def perturb(
    adata: AnnData | MuData,
    pert_key: str,
    control: str | None = None,
    *,
    cell_type_key: str | None = None,
    context_key: str | None = None,
    dose_key: str | None = None,
    batch_key: str | None = None,
    gene_embeddings: Knowledge = "auto",
    model: CellModel | AnyPath | None = None,
    training: PerturbationTraining | None = None,
    effects: bool = False,
    perturbations: Perturbations | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    seed: int | None = None,
) -> PerturbationModel:
    """Learn the effects of perturbations, to predict those of others and in other cells.

    Perturbations that were measured in other cell types are predicted from these, weighted by how
    alike the control cells are; genes that nobody perturbed, from those that share gene sets with
    them (kriging); combinations, from their parts. Everything that can be chosen is chosen on
    measured perturbations that are left out in turn, and starts from the mean effect.

    Parameters
    ----------
    adata
        Perturbed and control cells: counts or log-normalized counts, all genes that matter. With
        ``effects``, one row per perturbation and context instead, ``X`` holding changes, z-scores
        or signed ranks.
    pert_key
        ``obs`` column with the perturbation: the gene that is knocked out, down or activated, a
        drug, a condition; combinations as ``"A+B"`` (``"A_B"`` and ``"A+ctrl"`` are understood).
        Perturbations with fewer than five cells are left out.
    control
        Value of ``pert_key`` for control cells; None only with ``effects``.
    cell_type_key, context_key
        ``obs`` column with the cell type, cell line or donor in which effects are measured apart,
        each with its own controls. Two names of one argument: give one.
    dose_key
        ``obs`` column with doses, at least 0; effects are interpolated on their logarithm.
    batch_key
        ``obs`` column with batches: cells are compared with the controls of their own batch.
    gene_embeddings
        Prior knowledge of genes: ``"auto"`` (the package's human gene sets), a DataFrame (one row
        per gene), the path of a GMT file, a cell model or its folder, a list of these, or None.
    model
        A cell model, its folder or a registered name, whose gene embeddings are a further source
        of prior knowledge and an input of the network.
    training
        Trains a network on what the statistical model misses, with or without Mamba layers; its
        share is chosen on held-out perturbations and contexts and may be 0. None: no network.
    effects
        Whether ``adata`` holds effects instead of cells.
    perturbations
        Perturbations to be predicted later: an error tells before the fit which of them cannot be.
        None: nothing is checked.
    layer, use_raw, gene_key
        Where the expression is; see :func:`scmamba.pp.expression`.
    seed
        Random seed; None: ``settings.seed``.

    Returns
    -------
    A model with ``predict`` (cells), ``predict_mean`` (profiles), ``reverse``, ``validation``,
    ``save`` and ``load``.

    Raises
    ------
    ScmambaError
        If a column or the control is missing (near names are given), a context has no controls, a
        dose is not finite, expression is invalid, or one of ``perturbations`` is unknown.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks.perturb import perturb
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(120, 30, 2)
    >>> adata.obs["drug"] = ["control", "A", "B"] * 40
    >>> model = perturb(adata, "drug", "control", cell_type_key="cell_type")
    >>> cells = adata[adata.obs["drug"] == "control"]
    >>> model.predict(cells, ["A", "A+B"]).shape
    (80, 30)
    >>> model.predict_mean(cells, ["A", "A+B"]).shape
    (2, 30)
    """
    check_cells(adata, "adata")
    check_flag("effects", effects)
    check_count("seed", seed, least=0)
    if cell_type_key is not None and context_key is not None:
        raise ScmambaError(
            f"cell_type_key={cell_type_key!r} and context_key={context_key!r} mean the same; give "
            "one of them"
        )
    if control is None and not effects:
        raise ScmambaError(
            f"control=None; name the value of obs[{pert_key!r}] that control cells have, or pass "
            "effects=True if the rows are effects instead of cells"
        )
    columns = Columns(pert_key, control or "", context_key or cell_type_key, dose_key, batch_key)
    used = settings.seed if seed is None else seed
    if training is not None and not isinstance(training, PerturbationTraining):
        raise ScmambaError(
            f"training is a {type(training).__name__}; give a PerturbationTraining, or None"
        )
    knowledge = read_knowledge(gene_embeddings, model)
    if effects:
        screen = read_effects(adata, columns, gene_key=gene_key)
    else:
        screen = read_screen(
            adata, columns, layer=layer, use_raw=use_raw, gene_key=gene_key, seed=used
        )
    if perturbations is not None:
        Requests(screen, columns, knowledge).perturbations(perturbations)
    return PerturbationModel(screen, EffectModel(knowledge, training, used), columns, used)
