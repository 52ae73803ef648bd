"""A fitted annotator: predicts, explains, saves, loads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._describe import Described, listed, scored
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import Linear
from scmamba.learn.neural import NeuralComponent
from scmamba.learn.ood import ClassGaussians, OODScorer
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, expression
from scmamba.pp.genes import find_genes
from scmamba.tasks._annotation.cells import mean_logits
from scmamba.tasks._annotation.explain import explain as _explain
from scmamba.tasks._annotation.hierarchy import Hierarchy
from scmamba.tasks._annotation.markers import markers as _markers
from scmamba.tasks._annotation.networks import panel_outputs
from scmamba.tasks._annotation.prediction import Cells, Prediction
from scmamba.tasks._annotation.reasons import reason_column, reasons
from scmamba.tasks._annotation.saved import reading_annotator, save_annotator
from scmamba.tasks._annotation.validation import component_table
from scmamba.tasks._forward import Forward, cell_data, forward
from scmamba.tasks._panel import Panel
from scmamba.tokens.cells.genes import GeneMatch

PARTS = ("both", "linear", "neural")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Annotator(Described):
    """Predicts cell types; made by :func:`scmamba.tasks.annotate` or :meth:`load`.

    Attributes
    ----------
    classes
        Cell types that it knows, sorted.
    panel
        Genes that it reads.
    linear
        Logistic regression on the panel.
    neural
        Networks, or a pretrained model with a linear head.
    reads_panel
        Whether the networks read the panel; a pretrained model reads all genes that it knows.
    fusion
        Combination of both components into calibrated probabilities.
    gaussians, ood_scorer
        Distance to the known cell types, and the out-of-distribution score with its threshold.
    thresholds
        (n_classes,) confidence from which a prediction of each type counts; cells with a lower one
        are ``unknown``. inf: the type is never predicted.
    about
        Record of the fit: mode, seed, rates, genes.
    scores
        Accuracy and macro-F1 on held-out labeled cells, of each component and of both together.
    validation
        Validation of each type, one row per type: labeled ``cells``, their ``batches`` (0:
        not known), ``held_out`` cells, their ``recall``, the ``precision`` of its predictions, the
        ``threshold`` (NaN: never predicted), and whether it was ``validated``: held-out cells show
        that labels above the threshold are wrong no more often than ``max_error``.
    history
        Training curve of the first network, one row per epoch.
    hierarchy
        Coarse types, and Cell Ontology ids; None where the types are those of a user.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> adata.obs["label"] = adata.obs["cell_type"].where(np.arange(60) % 2 == 0)
    >>> training = scmamba.tasks.AnnotationTraining(
    ...     epochs=1, n_members=1, width=16
    ... )
    >>> annotator = scmamba.tasks.annotate(adata, labels_key="label", training=training)
    >>> annotator.classes
    ('type_0', 'type_1')
    >>> annotator.predict(adata).columns.tolist()
    ['cell_type', 'best_guess', 'confidence', 'ood_score', 'reason']
    """

    classes: tuple[str, ...]
    panel: Panel
    linear: Linear
    neural: NeuralComponent
    reads_panel: bool
    fusion: Fusion
    gaussians: ClassGaussians
    ood_scorer: OODScorer
    thresholds: Floats
    about: dict[str, Any]
    scores: dict[str, float]
    validation: pd.DataFrame
    history: pd.DataFrame
    hierarchy: Hierarchy | None = None

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        about = self.about
        entries = {
            "cell types": listed(self.classes),
            "genes": f"{len(self.panel.chosen):,} of {len(self.panel.genes):,}",
            "trained on": f"{about['n_labeled']:,} labeled cells, seed {about['seed']}",
            "network": f"{about['model']}, {about['mode']}, {len(self.neural.members)} member(s)",
            "neural weight": f"{self.fusion.neural_weight:.1f}",
            "unknown if": f"confidence < {_ranged(self.thresholds)} or "
            f"ood_score > {self.ood_threshold:.3f}",
            "held-out cells": "none: not validated",
        }
        if self.scores:
            n = self.scores["n_cells"]
            entries["held-out cells"] = f"{n:,.0f}: {scored(self.scores, 'both')}"
            if never := [name for name, one in zip(*self._by_class, strict=True) if np.isinf(one)]:
                entries["never predicted"] = f"{listed(never)} (see .validation)"
        return "Annotator", entries

    @property
    def _by_class(self) -> tuple[tuple[str, ...], list[float]]:
        return self.classes, self.thresholds.tolist()

    @property
    def ood_threshold(self) -> float:
        """Cells with a higher out-of-distribution score are ``unknown``."""
        return self.ood_scorer.threshold

    @property
    def component_scores(self) -> pd.DataFrame:
        """Scores on held-out cells: components by ``accuracy`` and ``macro_f1``."""
        return component_table(self.scores)

    def predict(self, adata: AnnData, **where: Any) -> pd.DataFrame:
        """Annotate cells without writing to them.

        Parameters
        ----------
        adata
            Cells by genes; left as it is.
        **where
            ``layer``, ``use_raw``, ``gene_key`` of :func:`scmamba.pp.expression`.

        Returns
        -------
        Columns ``cell_type`` (with ``unknown``), ``best_guess``, ``confidence`` in [0, 1],
        ``ood_score`` and ``reason`` (why a cell is ``unknown``), one row per cell.

        Raises
        ------
        ScmambaError
            Expression cannot be used, or fewer than half of the annotator's genes are there.
        """
        predictions = self._predict(adata, where)
        table = {
            "cell_type": predictions.cell_type,
            "best_guess": predictions.best_guess,
            "confidence": predictions.confidence,
            "ood_score": predictions.ood_score,
            "reason": reason_column(predictions.reason),
        }
        return pd.DataFrame(table, index=adata.obs_names)

    def predict_proba(self, adata: AnnData, **where: Any) -> pd.DataFrame:
        """Calibrated probability of each class (n_obs, n_classes); rows sum to 1."""
        log_proba = self._predict(adata, where).log_proba
        return pd.DataFrame(np.exp(log_proba), adata.obs_names, list(self.classes))

    explain = _explain
    markers = _markers

    def _predict(self, adata: AnnData, where: Mapping[str, Any]) -> Prediction:
        return self._predictions(self._aligned(expression(adata, **where)))

    def _match(self, found: Expression) -> GeneMatch:
        """Find the annotator's genes among those of ``found``, and log how many match."""
        match = self.panel.match(found)
        logger.info(match.report())
        return match

    def _aligned(self, found: Expression, match: GeneMatch | None = None) -> Cells:
        """Bring expression to the annotator's genes."""
        return Cells(self.panel.values(found, match or self._match(found)), found)

    def _predictions(self, cells: Cells, *, parts: str = "both") -> Prediction:
        """Predict prepared cells with both components, or ``"linear"`` or ``"neural"`` alone."""
        if parts not in PARTS:
            raise ScmambaError(f"parts={parts!r}; allowed: {', '.join(map(repr, PARTS))}")
        linear: Floats | None = self.linear.logits(cells.values)
        neural: Floats | None
        outs = [self._outputs(member, cells) for member in self.neural.members]
        neural, embedding = mean_logits(self.neural, outs), outs[0].embedding
        distance = self.gaussians.distance(cells.values)
        score = self.ood_scorer.score(self.fusion.mixed(linear, neural), distance)
        if parts != "both":
            linear, neural = (linear, None) if parts == "linear" else (None, neural)
        log_proba = self.fusion.log_proba(linear, neural)
        reason = reasons(log_proba, self.thresholds, score > self.ood_threshold, cells.empty)
        return Prediction(
            log_proba, score, reason, embedding, cells.empty, self.classes, self.hierarchy
        )

    def _outputs(self, model: CellModel, cells: Cells) -> Forward:
        """Run one network on the panel, or on a pretrained model's own vocabulary."""
        if self.reads_panel:
            return panel_outputs(model, cells.values, self.panel.names)
        assert model.vocab is not None
        match = find_genes(cells.expression, model.vocab.tokens)
        return forward(model, cell_data(model, cells.expression, match), text="Annotating cells")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the annotator to a folder atomically; no pickle in it.

        Raises
        ------
        ScmambaError
            The folder holds other files or cannot be written.
        """
        return save_annotator(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Annotator:
        """Read a saved annotator, or one that ships with the package.

        Parameters
        ----------
        path
            Folder that :meth:`save` wrote, a repository ``hf://owner/name`` that holds it, or the
            name of an annotator that ships (:func:`scmamba.models.list`).

        Raises
        ------
        ScmambaError
            There is no annotator of that name, or the folder holds none, is of a newer format, or
            is damaged.

        Examples
        --------
        >>> from scmamba.tasks import Annotator
        >>> Annotator.load("blood").hierarchy is None
        False
        """
        with reading_annotator(path) as fields:
            return cls(**fields)


def _ranged(thresholds: Floats) -> str:
    """Return the lowest and the highest of the finite thresholds."""
    finite = thresholds[np.isfinite(thresholds)]
    if not len(finite):
        return "inf"
    low, high = finite.min(), finite.max()
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}, by type,"
