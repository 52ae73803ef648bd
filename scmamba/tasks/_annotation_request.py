"""Options of an annotation call, checked before any file is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba._settings import settings
from scmamba.jobs import AnyPath
from scmamba.learn.training import MODES, AnnotationTraining
from scmamba.models import CellModel
from scmamba.models.shipped import find_shipped
from scmamba.pp.expression import check_shape
from scmamba.stream.formats import as_path, check_file
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.saved import is_annotator
from scmamba.tasks._annotation.voting import check_clustering
from scmamba.tasks._checks import check_at_least, check_folder
from scmamba.tokens.cells.orthologs import check_organism


@dataclass(frozen=True)
class AnnotationRequest:
    """Options of :func:`scmamba.tasks.annotate`; see there.

    Attributes
    ----------
    references
        Labeled cells that ``reference`` names, one by one.
    keys
        Names under which results are written.
    saved
        The annotator that ``model`` is or names; None where one has to be fitted, or found among
        those that ship.
    """

    model: Annotator | CellModel | AnyPath | None
    references: tuple[AnnData | Path, ...]
    labels_key: str | None
    unlabeled_category: str
    batch_key: str | None
    layer: str | None
    use_raw: bool | None
    gene_key: str | None
    mode: str
    n_top_genes: int | None
    max_error: float
    ood_fpr: float
    class_thresholds: bool | None
    majority_voting: bool | str
    training: AnnotationTraining | None
    organism: str
    keys: Keys
    seed: int
    saved: Annotator | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls, adata: Any, *, reference: Any, key_added: str, seed: int | None, **options: Any
    ) -> AnnotationRequest:
        """Check the options of a call.

        Raises
        ------
        ScmambaError
            An option is out of range, options contradict each other, or labels come from nowhere.
        """
        references, model = _references(adata, reference), options["model"]
        check_folder(model, "annotator.json")
        used = settings.seed if seed is None else seed
        made = cls(
            references=references,
            keys=Keys(key_added),
            seed=used,
            saved=_saved(model),
            **options,
        )
        made._check()
        return made

    @property
    def where(self) -> dict[str, Any]:
        """Where expression and gene names are."""
        return {"layer": self.layer, "use_raw": self.use_raw, "gene_key": self.gene_key}

    @property
    def start(self) -> CellModel | str | os.PathLike[str] | None:
        """The pretrained model to start from, or None."""
        if self.saved is not None or isinstance(self.model, Annotator):
            return None
        return self.model

    @property
    def finds_shipped(self) -> bool:
        """Whether the fitting annotator among those that ship has to be found."""
        given = (self.model, self.labels_key)
        return self.saved is None and not self.references and all(one is None for one in given)

    def _check(self) -> None:
        modes = (*MODES, "initialize")
        if self.mode not in modes:
            raise ScmambaError(f"mode={self.mode!r}; allowed: {', '.join(map(repr, modes))}")
        for name in ("max_error", "ood_fpr"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ScmambaError(f"{name}={value}; give a share in [0, 1)")
        check_at_least({"seed": 0, "n_top_genes": 1}, seed=self.seed, n_top_genes=self.n_top_genes)
        check_organism(self.organism)
        if self.majority_voting is True:
            check_clustering()
        if self.training is not None:
            self._check_training()
        if self.saved is not None or self.finds_shipped:
            return
        if self.labels_key is None:
            raise ScmambaError(self._no_labels())
        if self.model is None and self.mode in ("probe", "lora", "initialize"):
            raise ScmambaError(
                f"mode={self.mode!r} needs a pretrained model: give model=, or leave mode='auto' "
                "to train a compact model on these cells"
            )

    def _check_training(self) -> None:
        if not isinstance(self.training, AnnotationTraining):
            raise ScmambaError(
                f"training={self.training!r}; give a scmamba.tasks.AnnotationTraining"
            )
        if self.saved is not None:
            raise ScmambaError(
                "training= is for training, and model= is a saved annotator, which is not trained "
                "further; omit it"
            )
        if self.finds_shipped:
            raise ScmambaError(
                "training= is for training, and nothing says what to learn from: give labels_key= "
                "(with reference= perhaps), or omit it to use an annotator that ships with scmamba"
            )

    def _no_labels(self) -> str:
        if self.model is not None:
            named = isinstance(self.model, (str, os.PathLike))
            given = str(self.model) if named else type(self.model).__name__
            return (
                f"model={given!r} is no saved annotator, so labels are needed to fit one to it: "
                "give labels_key= (a column of adata.obs, or of reference=), or the folder that "
                "Annotator.save wrote"
            )
        return (
            "nothing says which column of reference= holds labels; name it with labels_key= (its "
            f"columns: {', '.join(map(repr, self._columns()[:20])) or 'none'})"
        )

    def _columns(self) -> list[str]:
        return list(getattr(self.references[0], "obs", ())) if self.references else []


def _references(adata: Any, given: Any) -> tuple[AnnData | Path, ...]:
    """Return labeled cells one by one, checked but for their content."""
    if given is None:
        return ()
    if isinstance(given, (list, tuple)) and not given:
        raise ScmambaError("reference= is an empty list; give labeled cells, or omit it")
    found = tuple(map(as_path, given if isinstance(given, (list, tuple)) else [given]))
    for one in found:
        _check_reference(adata, one)
    return found


def _check_reference(adata: Any, reference: Any) -> None:
    """Raise ScmambaError for a missing file, or a column's name given in place of a reference."""
    if not isinstance(reference, Path):
        check_shape(reference)
        return
    columns = getattr(adata, "obs", ())
    if str(reference) in columns and not reference.exists():
        raise ScmambaError(
            f"reference={str(reference)!r} is a column of adata.obs, not labeled cells; name the "
            f"column with labels as labels_key={str(reference)!r}"
        )
    if not reference.suffix and not reference.exists():
        raise ScmambaError(
            f"reference={str(reference)!r} is no file; give labeled cells (an AnnData, or the "
            "path of an .h5ad or .zarr file). A column of labels is named with labels_key="
        )
    check_file(reference)


def _saved(model: object) -> Annotator | None:
    """Return the annotator that ``model`` is or names, or None."""
    if isinstance(model, Annotator):
        return model
    if not isinstance(model, (str, os.PathLike)):
        return None
    known = is_annotator(model) or find_shipped(model, "annotator") is not None
    return Annotator.load(model) if known else None
