"""A fitted annotator: predicts, saves, loads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._describe import Described, listed, scored
from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba.learn.artifact import Artifact, Saved, flattened, unflattened
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import Linear
from scmamba.learn.neural import NeuralComponent
from scmamba.learn.ood import EQUAL_WEIGHT, ClassGaussians, OODScorer
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, expression
from scmamba.pp.genes import find_genes
from scmamba.tasks._annotation.cells import mean_logits
from scmamba.tasks._annotation.hierarchy import Hierarchy
from scmamba.tasks._annotation.networks import panel_outputs
from scmamba.tasks._annotation.reasons import (
    NO_EXPRESSION,
    OUT_OF_DISTRIBUTION,
    REASONS,
    reason_column,
    reasons,
)
from scmamba.tasks._annotation.validation import component_table, table_from_json, table_to_json
from scmamba.tasks._forward import Forward, cell_data, forward
from scmamba.tasks._panel import Panel
from scmamba.tokens.cells.genes import GeneMatch

if TYPE_CHECKING:
    from scmamba.tasks._annotation.explain import Baseline, Explanation

PARTS = ("both", "linear", "neural")
ARTIFACT = Artifact("annotator")
_EMPTY = REASONS.index(NO_EXPRESSION)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Predictions for n cells.

    Attributes
    ----------
    log_proba
        (n, n_classes) calibrated log-probabilities.
    ood_score
        (n,) out-of-distribution score in [0, 1]; higher is further from the known cell types.
    reason
        (n,) why the annotator abstains, a position in ``REASONS``; -1 where it does not.
    embedding
        (n, D) cell embeddings.
    empty
        (n,) True where no gene is expressed.
    """

    log_proba: Floats
    ood_score: Floats
    reason: npt.NDArray[np.int8]
    embedding: npt.NDArray[np.float32]
    empty: npt.NDArray[np.bool_]
    classes: tuple[str, ...]
    hierarchy: Hierarchy | None = None

    @property
    def coarse(self) -> npt.NDArray[np.int64]:
        """(n,) position among the coarse types of the hierarchy; -1: unknown, or no hierarchy."""
        if self.hierarchy is None:
            return np.full(len(self.reason), -1)
        rejected = np.isin(self.reason, [REASONS.index(OUT_OF_DISTRIBUTION), _EMPTY])
        return self.hierarchy.labels(self.log_proba, ~self.unknown, rejected)

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """(n,) True where the annotator abstains."""
        return self.reason >= 0

    @property
    def best_guess(self) -> list[str]:
        """Most probable class of each cell."""
        return [self.classes[i] for i in self.log_proba.argmax(1)]

    @property
    def confidence(self) -> Floats:
        """(n,) its probability, in [0, 1]."""
        return np.exp(self.log_proba.max(1))

    @property
    def cell_type(self) -> list[str]:
        """The best guess, or ``unknown``."""
        pairs = zip(self.best_guess, self.unknown, strict=True)
        return [UNKNOWN if unknown else guess for guess, unknown in pairs]


@dataclass(frozen=True)
class Cells:
    """Cells prepared for an annotator.

    Attributes
    ----------
    values
        (n, n_chosen) log-normalized values of the panel.
    expression
        All of their expression, for models with a vocabulary of their own.
    """

    values: sparse.csr_matrix
    expression: Expression

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """(n,) True where no gene of the panel is expressed."""
        return np.diff(self.values.indptr) == 0


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
        How both become calibrated probabilities.
    gaussians, ood_scorer
        Distance to the known cell types, and the out-of-distribution score with its threshold.
    thresholds
        (n_classes,) confidence from which a prediction of each type counts; cells with a lower one
        are ``unknown``. inf: the type is never predicted.
    about
        How it was made: mode, seed, rates, genes.
    scores
        Accuracy and macro-F1 on held-out labeled cells, of each component and of both together.
    validation
        How each type was validated, one row per type: labeled ``cells``, their ``batches`` (0:
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

    def explain(
        self,
        adata: AnnData,
        *,
        n_genes: int = 20,
        n_cells: int = 100,
        cell_types: Sequence[str] | None = None,
        baseline: Baseline = "mean",
        include_unknown: bool = False,
        per_cell: bool = False,
        seed: int | None = None,
        **where: Any,
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
            Of the draw of cells; None: ``settings.seed``.
        **where
            ``layer``, ``use_raw``, ``gene_key`` of :func:`scmamba.pp.expression`.

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
        from scmamba.tasks._annotation.explain import explain

        return explain(
            self, adata, n_genes=n_genes, n_cells=n_cells, cell_types=cell_types,
            baseline=baseline, include_unknown=include_unknown, per_cell=per_cell, seed=seed,
            **where,
        )  # fmt: skip

    def markers(self, n: int = 20) -> pd.DataFrame:
        """Find the genes by which the annotator tells each type, without any cells.

        The mean profile of a type, as the annotator keeps it, is explained as
        :meth:`explain` explains a cell, beginning at the mean of all types. Networks with a
        vocabulary of their own need cells and are left out.

        Parameters
        ----------
        n
            Genes of each type, at most: those with more expression than in the other types.

        Returns
        -------
        One row per type and gene, the strongest first: ``cell_type``, ``gene``, ``attribution``
        in nats, ``mean_expression`` (log1p of counts per 10,000) and its ``difference`` from the
        mean of the other types.

        Examples
        --------
        >>> import scmamba
        >>> scmamba.settings.verbosity = "error"
        >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
        >>> quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1, width=16)
        >>> annotator = scmamba.tasks.annotate(
        ...     cells[40:], cells[:40], labels_key="cell_type", training=quick
        ... )
        >>> annotator.markers(2)["cell_type"].tolist()
        ['type_0', 'type_0', 'type_1', 'type_1']
        """
        from scmamba.tasks._annotation.markers import markers

        return markers(self, n)

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
        head = self.neural.head
        arrays = {
            "chosen": self.panel.chosen,
            **flattened("linear", self.linear),
            **({} if head is None else flattened("head", head)),
            **flattened("gaussians", self.gaussians),
            "ood.quantiles": self.ood_scorer.quantiles,
            "thresholds": self.thresholds,
        }
        content = {
            "classes": self.classes,
            "genes": self.panel.genes,
            "reads_panel": self.reads_panel,
            "fusion": asdict(self.fusion),
            "ood_threshold": self.ood_threshold,
            "ood_uncertainty_weight": self.ood_scorer.uncertainty_weight,
            "about": self.about,
            "validation": self.scores,
            "types": table_to_json(self.validation),
            "hierarchy": None if self.hierarchy is None else self.hierarchy.to_json(),
        }
        return ARTIFACT.save(path, content, arrays, self.neural.members, self.history)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Annotator:
        """Read a folder that :meth:`save` wrote.

        Raises
        ------
        ScmambaError
            The folder holds no annotator, is of a newer format, or is damaged.
        """
        with ARTIFACT.reading(path) as saved:
            if saved.version == 1:
                _upgrade(saved)
            content, arrays = saved.content, saved.arrays
            head = unflattened(Linear, "head", arrays) if "head.coef" in arrays else None
            classes, levels = tuple(content["classes"]), content.get("hierarchy")
            thresholds = arrays.get("thresholds")
            if thresholds is None:  # one for all types, in folders of earlier versions
                thresholds = np.full(len(classes), content["confidence_threshold"])
            return cls(
                classes=classes,
                panel=Panel(tuple(content["genes"]), arrays["chosen"]),
                linear=unflattened(Linear, "linear", arrays),
                neural=NeuralComponent(saved.networks, head),
                reads_panel=content["reads_panel"],
                fusion=Fusion.from_dict(content["fusion"]),
                gaussians=unflattened(ClassGaussians, "gaussians", arrays),
                ood_scorer=OODScorer(
                    arrays["ood.quantiles"],
                    content["ood_threshold"],
                    content.get("ood_uncertainty_weight", EQUAL_WEIGHT),
                ),
                thresholds=thresholds,
                about=_american(content["about"]),
                scores=content["validation"],
                validation=table_from_json(
                    content.get("types", {"threshold": thresholds.tolist()}), classes
                ),
                history=saved.history,
                hierarchy=Hierarchy.from_json(levels, classes) if levels else None,
            )


def _ranged(thresholds: Floats) -> str:
    """Return the lowest and the highest of the finite thresholds."""
    finite = thresholds[np.isfinite(thresholds)]
    if not len(finite):
        return "inf"
    low, high = finite.min(), finite.max()
    return f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}, by type,"


def is_annotator(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a saved annotator."""
    return ARTIFACT.is_at(path)


def _american(about: dict[str, Any]) -> dict[str, Any]:
    """Entries under the names that are written now."""
    return {"n_labeled" if name == "n_labelled" else name: value for name, value in about.items()}


def _upgrade(saved: Saved) -> None:
    """Give the entries of format version 1 their present names."""
    prefixes = {"wide": "linear", "principal": "gaussians", "strangeness": "ood"}
    for name in list(saved.arrays):
        prefix, dot, rest = name.partition(".")
        rest = "centers" if rest == "centres" else rest
        saved.arrays[f"{prefixes.get(prefix, prefix)}{dot}{rest}"] = saved.arrays.pop(name)
    rates = np.exp(saved.arrays.pop("log_prior"))
    saved.content["fusion"] = Fusion.upgraded(saved.content["fusion"], rates / rates.sum())
    words = {"wide": "linear", "deep": "neural", "deep_without_mamba": "no_mamba", "both": "both"}
    validation = saved.content["validation"]
    saved.content["validation"] = {
        f"{words[component]}_{score}": validation[f"{component}_{score}"]
        for component in words
        for score in ("accuracy", "macro_f1")
        if f"{component}_{score}" in validation
    } | {name: value for name, value in validation.items() if name == "n_cells"}
    saved.content["reads_panel"] = saved.content["about"]["mode"] == "scratch"
    if "false_alarm" in saved.content["about"]:
        saved.content["about"]["ood_fpr"] = saved.content["about"].pop("false_alarm")
