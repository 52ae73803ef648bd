"""A fitted model of perturbations: predictions for cells and means, reverse search."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from anndata import AnnData

from scmamba._describe import Described, listed
from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX
from scmamba.jobs import about
from scmamba.learn.effects.model import EffectModel, FittedEffectModel
from scmamba.learn.effects.names import label_of
from scmamba.learn.effects.table import EffectTable
from scmamba.tasks._perturbation.cells import read_controls
from scmamba.tasks._perturbation.columns import Columns
from scmamba.tasks._perturbation.means import mean_changes, mean_controls
from scmamba.tasks._perturbation.reading import Screen
from scmamba.tasks._perturbation.requests import Perturbations, Requests
from scmamba.tasks._perturbation.reverse_search import ReverseSearch
from scmamba.tasks._perturbation.support import support
from scmamba.tasks._perturbation.validation import validate


class PerturbationModel(Described):
    """Predicts how perturbations change cells; made by :func:`scmamba.tasks.perturb`.

    Parameters
    ----------
    screen
        Measured effects.
    method
        How effects are predicted.
    columns
        Names of the columns of ``obs``.
    seed
        Seed of predicted cells.
    fitted
        The fit, where it is there already; None: ``method`` is fitted.

    Attributes
    ----------
    effects
        (n, n_genes) measured effects, one row per context, perturbation and dose.
    validation
        Scores of left-out perturbations or contexts, beside those of simple baselines.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks.perturb import perturb
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(120, 30, 2)
    >>> adata.obs["drug"] = ["control", "A", "B"] * 40
    >>> model = perturb(adata, "drug", "control")
    >>> model.perturbations, model.genes[:2].tolist()
    (('A', 'B'), ['gene_0', 'gene_1'])
    """

    def __init__(
        self,
        screen: Screen,
        method: EffectModel,
        columns: Columns,
        seed: int,
        fitted: FittedEffectModel | None = None,
    ) -> None:
        self.screen, self.method, self.columns, self.seed = screen, method, columns, seed
        self.fitted = method.fit(screen.table) if fitted is None else fitted
        self._requests = Requests(screen, columns, method.embeddings)
        self._search = ReverseSearch(self.fitted, self._requests, seed)

    @property
    def table(self) -> EffectTable:
        """Measured effects."""
        return self.screen.table

    @property
    def genes(self) -> pd.Index:
        """(n_genes,) names of the modeled genes."""
        return self.table.genes

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Measured perturbations."""
        return tuple(dict.fromkeys(map(label_of, self.table.perturbations)))

    @property
    def contexts(self) -> tuple[str, ...]:
        """Measured contexts; ``("",)`` without contexts."""
        return self._requests.contexts

    @property
    def effects(self) -> pd.DataFrame:
        """(n, n_genes) measured effects."""
        index = pd.MultiIndex.from_arrays(
            [
                self.table.contexts,
                [label_of(one) for one in self.table.perturbations],
                self.table.doses,
            ],
            names=["context", "perturbation", "dose"],
        )
        return pd.DataFrame(self.table.effects, index, self.genes)

    @property
    def about(self) -> dict[str, Any]:
        """How it was made: the seed, and of a network its shares, its time and what was cut."""
        told: dict[str, Any] = {"seed": self.seed}
        if (residual := self.fitted.residual) is not None:
            told |= {"residual_shares": dict(residual.shares), **residual.time}
        return told

    @cached_property
    def validation(self) -> pd.DataFrame:
        """Scores of left-out perturbations and contexts, beside baselines; computed when asked."""
        return validate(self.method, self.table, self.seed)

    def predict(
        self,
        cells: AnnData,
        perturbations: Perturbations,
        *,
        dose: float | None = None,
        layer: str | None = None,
        use_raw: bool | None = None,
        gene_key: str | None = None,
    ) -> AnnData:
        """Predict cells as they would be after a perturbation.

        Parameters
        ----------
        cells
            Control cells, counts or log-normalized; of any cell type or donor. If they have the
            column ``cell_type_key`` and its value was measured, effects of that context are used;
            otherwise each cell takes those of the contexts that it is most alike.
        perturbations
            One or more: ``"A"``, ``"A+B"``, or a list of these. What is named twice is predicted
            once.
        dose
            Dose, in the unit of ``dose_key``; None: that measured, or the mean of several.
        layer, use_raw, gene_key
            Where the expression is; see :func:`scmamba.pp.expression`.

        Returns
        -------
        One cell per control cell and perturbation, in the unit of ``cells``, on the genes that
        both have. Their names are those of the control cell and the perturbation; ``obs`` is that
        of the control cells, with the perturbation in ``pert_key`` and the name of the control cell
        in ``obs["control_cell"]``; ``uns["scmamba"]`` says what ran, and under ``"support"`` how
        far each request is from what was measured. A prediction depends on its own cell alone.
        Cells that ``pert_key`` says were perturbed already, such as predicted ones, are moved on,
        and a warning tells so.

        Raises
        ------
        ScmambaError
            If a perturbation is unknown, fewer than half of the genes are shared, the model was
            fitted on given effects, or expression is invalid.
        """
        chosen = list(dict.fromkeys(self._requests.perturbations(perturbations)))
        at = self._requests.dose(dose)
        self._requests.need_cells("predict")
        controls = read_controls(
            cells, self.screen, self.columns, layer=layer, use_raw=use_raw, gene_key=gene_key
        )
        by_block = [
            [block.perturbed(one, at, self.screen.spread, self.seed) for one in chosen]
            for block in controls.blocks(self.fitted)
        ]
        parts = [block[i] for i in range(len(chosen)) for block in by_block]
        labels = [label_of(one, self.columns.control) for one in chosen]
        found = controls.assemble(parts, labels)
        columns = self.columns
        params = {
            "perturbations": labels,
            "dose": dose,
            "pert_key": columns.perturbation,
            "control": columns.control,
            "cell_type_key": columns.context,
            "dose_key": columns.dose,
            "batch_key": columns.batch,
        }
        ran = about("perturb", seed=self.seed, params=params)
        told = support(self.fitted, chosen, controls.profiles_by_context())
        found.uns[PREFIX] = ran | {"support": told}
        return found

    def predict_mean(
        self,
        cells: AnnData | None,
        perturbations: Perturbations,
        *,
        context: str | None = None,
        dose: float | None = None,
        change: bool = True,
        layer: str | None = None,
        use_raw: bool | None = None,
        gene_key: str | None = None,
    ) -> pd.DataFrame:
        """Predict mean effects of perturbations.

        Parameters
        ----------
        cells
            Control cells, as in :meth:`predict`, over which the change is averaged; None: those of
            ``context``.
        perturbations
            One or more: ``"A"``, ``"A+B"``, or a list of these.
        context
            A measured context, without ``cells``; None: the mean over all of them.
        dose
            Dose; None: that measured.
        change
            True: change of mean log-normalized expression (or the given score of change); False:
            the mean after the perturbation.
        layer, use_raw, gene_key
            Where the expression of ``cells`` is.

        Returns
        -------
        One row per perturbation, one column per gene.

        Raises
        ------
        ScmambaError
            If a perturbation or the context is unknown, cells and a context are both given, or
            ``change=False`` without controls.
        """
        chosen, at = self._requests.perturbations(perturbations), self._requests.dose(dose)
        labels = [label_of(one, self.columns.control) for one in chosen]
        if cells is not None and context is not None:
            raise ScmambaError(
                f"context={context!r} was given together with cells, whose contexts are those in "
                f"their obs[{self.columns.context!r}]; give one of both"
            )
        if cells is not None:
            self._requests.need_cells("predict_mean(cells, ...)")
            controls = read_controls(
                cells, self.screen, self.columns, layer=layer, use_raw=use_raw, gene_key=gene_key
            )
            rows, start = controls.mean_changes(self.fitted, chosen, at), controls.mean()
            return pd.DataFrame(rows + (0 if change else start), labels, controls.genes)
        names = self._requests.chosen_contexts(context)
        found = mean_changes(self.fitted, self._requests, chosen, names, at)
        if not change:
            self._requests.need_cells("change=False")
            found = found + mean_controls(self._requests, names)
        return pd.DataFrame(found, labels, self.genes)

    def support(self, perturbations: Perturbations, *, context: str | None = None) -> pd.DataFrame:
        """Tell how far requests are from what was measured, one row per perturbation."""
        chosen, names = self._requests.perturbations(perturbations), self._requests
        profiles = {one: names.profile_or_none(one) for one in names.chosen_contexts(context)}
        return support(self.fitted, chosen, profiles)

    def reverse(
        self,
        target: AnnData | pd.Series,
        candidates: Sequence[str] | None = None,
        *,
        top_k: int | None = 8,
        combinations: int = 1,
        context: str | None = None,
        change: bool = False,
        search: Literal["exact", "approximate"] = "exact",
    ) -> pd.DataFrame:
        """Rank perturbations by how close they bring control cells to a target.

        Parameters
        ----------
        target
            Cells, or a profile by gene: mean log-normalized expression, or the change from control
            if ``change``.
        candidates
            Perturbations to try; None: all measured ones. Genes that nobody perturbed may be named.
        top_k
            Number of rows; None: all.
        combinations
            1: single perturbations; 2: pairs of candidates as well.
        context
            Context of the control cells; None: the mean over contexts.
        change
            Whether ``target`` is a change.
        search
            ``"approximate"`` ranks a short list that pynndescent finds, for many targets against
            many candidates; its index is kept for further calls with the same candidates.

        Returns
        -------
        Ranked table: ``perturbation``, ``score`` (Pearson correlation of predicted and wanted
        change, in [-1, 1]), ``distance`` (root mean squared difference) and ``measured``. Genes
        that a candidate perturbs directly are left out of its own comparison, so that the drop of
        a knocked-out gene cannot give it away.

        Raises
        ------
        ScmambaError
            If a candidate or the context is unknown, the target shares fewer than ten genes, or
            the model was fitted on given effects and the target is not a change.
        """
        return self._search(
            target,
            candidates,
            top_k=top_k,
            combinations=combinations,
            context=context,
            change=change,
            search=search,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model to a folder; :meth:`load` reads it."""
        from scmamba.tasks._perturbation.saving import save_model

        return save_model(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PerturbationModel:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        ScmambaError
            If the folder is missing, damaged, or holds something else.
        """
        from scmamba.tasks._perturbation.saving import load_model

        return load_model(path)

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        entries = {
            "perturbations": listed(self.perturbations),
            "genes": listed(self.genes),
            "cells": f"{int(self.table.n_cells.sum()):,} perturbed"
            if self.table.controls is not None
            else "none: effects were given",
        }
        if self.contexts != ("",):
            entries["contexts"] = listed(self.contexts)
        if self.fitted.residual is not None:
            shares = self.fitted.residual.shares.items()
            entries["neural residual"] = ", ".join(f"{v:.0%} for an unseen {k}" for k, v in shares)
            if (cut := self.about.get("cut", "nothing")) != "nothing":
                entries["cut by time"] = cut
        return "Perturbation model", entries
