"""Options of an integration call, checked before any file is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba._settings import settings
from scmamba.jobs import AnyPath
from scmamba.learn.training import IntegrationObjectives, IntegrationTraining
from scmamba.models import CellModel
from scmamba.tasks._checks import check_at_least, check_folder
from scmamba.tasks._integration.integrator import AVERAGE, Integrator, is_integrator
from scmamba.tasks._pretrained import pretrained, starts_networks


@dataclass(frozen=True)
class IntegrationRequest:
    """Options of :func:`scmamba.tasks.integrate`; see there.

    Attributes
    ----------
    keys
        Names under which results are written.
    saved
        The integrator that ``model`` is or names; None where one has to be fitted.
    start
        The pretrained model that ``model`` is or names, or None.
    """

    batch_key: str
    labels_key: str | None
    model: Integrator | CellModel | AnyPath | None
    layer: str | None
    gene_key: str | None
    n_top_genes: int | None
    correct: bool | str
    objectives: IntegrationObjectives | None
    training: IntegrationTraining | None
    keys: Keys
    seed: int
    saved: Integrator | None = field(default=None, compare=False)
    start: CellModel | None = field(default=None, compare=False)

    @classmethod
    def of(cls, *, key_added: str, seed: int | None, **options: Any) -> IntegrationRequest:
        """Check the options of a call.

        Raises
        ------
        ScmambaError
            An option is out of range, or options contradict each other.
        """
        check_folder(options["model"], "integrator.json")
        used = settings.seed if seed is None else seed
        made = cls(keys=Keys(key_added), seed=used, saved=_saved(options["model"]), **options)
        made._check()
        model = made.model
        if made.saved is None and model is not None and not isinstance(model, Integrator):
            made = replace(made, start=pretrained(model))
            made._check_start()
        return made

    @property
    def mode(self) -> str:
        """How ``model`` is used, if it is pretrained.

        ``"scratch"`` without one; ``"initialize"``: a compact network starts from its gene
        vectors; ``"finetune"``; or ``"zero-shot"``, as it is.
        """
        if self.start is None:
            return "scratch"
        if starts_networks(self.start):
            return "initialize"
        given = self.training is not None or self.objectives is not None
        return "finetune" if given else "zero-shot"

    @property
    def decodes(self) -> bool:
        """Whether expression without batch effects is written."""
        return self.correct is not False

    @property
    def decoded_as(self) -> str:
        """Batch as which cells are decoded, or the average."""
        return AVERAGE if isinstance(self.correct, bool) else self.correct

    @property
    def where(self) -> dict[str, Any]:
        """Where expression and gene names are."""
        return {"layer": self.layer, "gene_key": self.gene_key}

    def _check(self) -> None:
        check_at_least({"seed": 0, "n_top_genes": 1}, seed=self.seed, n_top_genes=self.n_top_genes)
        if not isinstance(self.correct, (bool, str)):
            raise ScmambaError(f"correct={self.correct!r}; give True, False or a batch")
        for name, kind in (
            ("training", IntegrationTraining),
            ("objectives", IntegrationObjectives),
        ):
            given = getattr(self, name)
            if given is None:
                continue
            if not isinstance(given, kind):
                raise ScmambaError(f"{name}={given!r}; give a scmamba.tasks.{kind.__name__}")
            if self.saved is not None:
                raise ScmambaError(
                    f"{name}= is for training, and model= is an integration that cells are mapped "
                    "into without training; omit it"
                )
        if self.decodes and self.saved is not None:
            self.saved._check_decodes(self.decoded_as)

    def _check_start(self) -> None:
        """Raise ScmambaError where options do not go with the pretrained model."""
        n_layer = None if self.training is None else self.training.n_layer
        if self.mode == "finetune" and n_layer is not None:
            raise ScmambaError(
                f"training.n_layer={n_layer}: a pretrained model keeps its layers; omit it"
            )
        if self.mode == "zero-shot" and self.decodes:
            raise ScmambaError(
                "correct= needs a model that decodes expression, and a pretrained one that is used "
                "as it is does not: give training=IntegrationTraining() to fine-tune it, or "
                "model=None"
            )

    def training_for(self, n_cells: int) -> IntegrationTraining:
        """Return how the network is trained on ``n_cells`` cells, without None."""
        given, mode = self.training or IntegrationTraining(), self.mode
        if mode in ("scratch", "initialize"):
            return given.for_n(n_cells, pretrained=mode == "initialize")
        return given.for_finetuning(n_cells)

    def objectives_for(self, *, counts: bool) -> IntegrationObjectives:
        """Return the weights of the objectives for counts or for bins, without None."""
        return (self.objectives or IntegrationObjectives()).for_values(counts=counts)


def _saved(model: object) -> Integrator | None:
    """Return the integrator that ``model`` is or names, or None."""
    if isinstance(model, Integrator):
        return model
    if isinstance(model, (str, os.PathLike)) and is_integrator(model):
        return Integrator.load(model)
    return None
