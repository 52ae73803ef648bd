"""A fitted annotator: predicts, saves, loads."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._files import atomic_folder
from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba.models import load as load_model
from scmamba.models import save as save_model
from scmamba.models.checkpoint.sealed import ARRAYS, Sealed
from scmamba.pp.expression import Expression, expression
from scmamba.tasks._annotation.crossfit import Fitted
from scmamba.tasks._annotation.fusion import Fusion
from scmamba.tasks._annotation.linear import Linear
from scmamba.tasks._annotation.novelty import Principal, Strangeness
from scmamba.tasks._annotation.views import Cells, Deep
from scmamba.tasks._panel import Panel
from scmamba.tokens.genes import GeneMatch

FORMAT_VERSION = 1
PARTS = ("both", "wide", "deep")
SETTINGS, MODELS = "annotator.json", "models"
_SEALED = Sealed("annotator", SETTINGS, FORMAT_VERSION)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What an annotator says of n cells.

    Attributes
    ----------
    log_proba
        (n, n_classes) calibrated log-probabilities.
    ood_score
        (n,) higher is stranger.
    unknown
        (n,) True where the annotator abstains.
    embedding
        (n, D) cell embeddings.
    empty
        (n,) True where no gene is expressed.
    """

    log_proba: Floats
    ood_score: Floats
    unknown: npt.NDArray[np.bool_]
    embedding: npt.NDArray[np.float32]
    empty: npt.NDArray[np.bool_]
    classes: tuple[str, ...]

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


@dataclass(frozen=True, repr=False)
class Annotator(Fitted):
    """Predicts cell types; made by :func:`scmamba.tasks.annotate` or :meth:`load`.

    Attributes
    ----------
    classes
        Labels that it knows, sorted.
    panel
        Genes that it reads.
    about
        How it was made: mode, seed, rates, genes.
    validation
        Scores on held-out labelled cells: of both views, alone and together.
    history
        Training curve, one row an epoch; empty for a loaded annotator.
    confidence_threshold
        Below it a cell is ``unknown``.
    """

    classes: tuple[str, ...]
    panel: Panel
    about: dict[str, Any]

    def __repr__(self) -> str:
        text = f"Annotator of {len(self.classes)} cell types from {len(self.panel.chosen):,} genes"
        if self.validation:
            accuracy, macro = self.validation["both_accuracy"], self.validation["both_macro_f1"]
            text += f"; on held-out labelled cells: accuracy {accuracy:.3f}, macro-F1 {macro:.3f}"
        return f"<{text}>"

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
        Columns ``cell_type`` (with ``unknown``), ``best_guess``, ``confidence`` in [0, 1] and
        ``ood_score``, one row a cell.

        Raises
        ------
        ScmambaError
            Expression cannot be used, or fewer than half of the annotator's genes are there.
        """
        said = self.say(self.read(adata, **where))
        table = {
            "cell_type": said.cell_type,
            "best_guess": said.best_guess,
            "confidence": said.confidence,
            "ood_score": said.ood_score,
        }
        return pd.DataFrame(table, index=adata.obs_names)

    def predict_proba(self, adata: AnnData, **where: Any) -> pd.DataFrame:
        """Calibrated probability of each class (n_obs, n_classes); rows sum to 1."""
        said = self.say(self.read(adata, **where))
        return pd.DataFrame(np.exp(said.log_proba), adata.obs_names, list(self.classes))

    def read(self, adata: AnnData, **where: Any) -> Cells:
        """Take out and align the expression of cells, and report the genes matched."""
        return self.align(expression(adata, **where))

    def match(self, found: Expression) -> GeneMatch:
        """Find the annotator's genes among those of ``found``, and report it."""
        match = self.panel.match(found)
        logger.info(match.report())
        return match

    def align(self, found: Expression, match: GeneMatch | None = None) -> Cells:
        """Bring expression that was taken out already to the annotator's genes."""
        match = match or self.match(found)
        return Cells(self.panel.values(found, match), match, found)

    def say(self, cells: Cells, *, parts: str = "both") -> Prediction:
        """Predict prepared cells with both views, or with ``"wide"`` or ``"deep"`` alone."""
        if parts not in PARTS:
            raise ScmambaError(f"parts={parts!r}; allowed: {', '.join(map(repr, PARTS))}")
        wide: Floats | None = self.wide.logits(cells.values)
        data = self.deep.data(cells.expression, self.panel, cells.values)
        deep: Floats | None
        deep, embedding = self.deep.logits(data)
        distance = self.principal.distance(cells.values)
        score = self.strangeness.score(self.fusion.mixed(wide, deep), distance)
        if parts != "both":
            wide, deep = (wide, None) if parts == "wide" else (None, deep)
        log_proba = self.fusion.log_proba(wide, deep, self.log_prior)
        doubtful = np.exp(log_proba.max(1)) < self.confidence_threshold
        unknown = doubtful | (score > self.strangeness.threshold) | cells.empty
        return Prediction(log_proba, score, unknown, embedding, cells.empty, self.classes)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the annotator to a folder, whole or not at all; no pickle in it.

        Raises
        ------
        ScmambaError
            The folder holds other files or cannot be written.
        """
        arrays = {
            "chosen": self.panel.chosen,
            "log_prior": self.log_prior,
            **_prefixed("wide", self.wide),
            **({} if self.deep.head is None else _prefixed("head", self.deep.head)),
            **_prefixed("principal", self.principal),
            "strangeness.quantiles": self.strangeness.quantiles,
        }
        content = {
            "classes": self.classes,
            "genes": self.panel.genes,
            "n_members": len(self.deep.members),
            "fusion": asdict(self.fusion),
            "ood_threshold": self.strangeness.threshold,
            "confidence_threshold": self.confidence_threshold,
            "about": self.about,
            "validation": self.validation,
        }
        with atomic_folder(Path(path), replaces=frozenset({SETTINGS, ARRAYS, MODELS})) as folder:
            for i, member in enumerate(self.deep.members):
                save_model(member, folder / MODELS / str(i))
            _SEALED.write(folder, content, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Annotator:
        """Read a folder that :meth:`save` wrote.

        Raises
        ------
        ScmambaError
            It is no annotator, of a newer format, or damaged.
        """
        folder = Path(path)
        with _SEALED.reading(folder) as (content, arrays):
            return cls(
                classes=tuple(content["classes"]),
                panel=Panel(tuple(content["genes"]), arrays["chosen"]),
                log_prior=arrays["log_prior"],
                wide=_from_arrays(Linear, "wide", arrays),
                deep=Deep(
                    tuple(
                        load_model(folder / MODELS / str(i)) for i in range(content["n_members"])
                    ),
                    _from_arrays(Linear, "head", arrays) if "head.coef" in arrays else None,
                ),
                fusion=Fusion(
                    **{**content["fusion"], "unvalidated": tuple(content["fusion"]["unvalidated"])}
                ),
                principal=_from_arrays(Principal, "principal", arrays),
                strangeness=Strangeness(arrays["strangeness.quantiles"], content["ood_threshold"]),
                confidence_threshold=content["confidence_threshold"],
                about=content["about"],
                validation=content["validation"],
                history=pd.DataFrame(),
            )


def is_annotator(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a saved annotator."""
    return (Path(path) / SETTINGS).is_file()


def _prefixed(prefix: str, parts: Any) -> dict[str, npt.NDArray[Any]]:
    return {f"{prefix}.{f.name}": np.asarray(getattr(parts, f.name)) for f in fields(parts)}


def _from_arrays(kind: type[Any], prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    return kind(**{f.name: arrays[f"{prefix}.{f.name}"] for f in fields(kind)})
