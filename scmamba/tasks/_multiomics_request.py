"""Options of a multi-omics call, checked before any data is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scmamba._config import one_of
from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba._settings import settings
from scmamba.jobs import AnyPath
from scmamba.learn.training import MultiomicsObjectives, MultiomicsTraining
from scmamba.models import CellModel
from scmamba.tasks._checks import check_at_least, check_folder
from scmamba.tasks._multiomics.model import MultiomicsModel, is_multiomics
from scmamba.tasks._multiomics.recipe import Recipe
from scmamba.tasks._multiomics.sizes import Order
from scmamba.tasks._pretrained import pretrained

ORDERS = ("genome", "vocabulary", "shuffled")
OF_A_FIT = {
    "labels_key": None,
    "order": "genome",
    "n_top_genes": 2000,
    "training": None,
    "objectives": None,
}
"""Options without a meaning where cells are mapped, and their defaults."""


@dataclass(frozen=True)
class MultiomicsRequest:
    """Options of :func:`scmamba.tasks.multiomics`; see there.

    Attributes
    ----------
    keys
        Names under which results are written.
    saved
        The fitted model that ``model`` is or names; None where one has to be fitted.
    """

    batch_key: str | None
    labels_key: str | None
    model: MultiomicsModel | CellModel | AnyPath | None
    modalities: Mapping[str, str] | None
    layer: str | Mapping[str, str] | None
    impute: bool
    order: Order
    n_top_genes: int | None
    training: MultiomicsTraining | None
    objectives: MultiomicsObjectives | None
    keys: Keys
    seed: int
    saved: MultiomicsModel | None = field(default=None, compare=False)

    @classmethod
    def of(cls, *, key_added: str, seed: int | None, **options: Any) -> MultiomicsRequest:
        """Check the options of a call.

        Raises
        ------
        ScmambaError
            An option is out of range, or options contradict each other.
        """
        check_folder(options["model"], ARTIFACT_FILE)
        used = settings.seed if seed is None else seed
        made = cls(keys=Keys(key_added), seed=used, saved=_saved(options["model"]), **options)
        made._check()
        return made

    def _check(self) -> None:
        check_at_least({"seed": 0, "n_top_genes": 1}, seed=self.seed, n_top_genes=self.n_top_genes)
        one_of("order", self.order, ORDERS)
        if not isinstance(self.impute, bool):
            raise ScmambaError(f"impute={self.impute!r}; give True or False")
        for name, kind in (("training", MultiomicsTraining), ("objectives", MultiomicsObjectives)):
            given = getattr(self, name)
            if given is not None and not isinstance(given, kind):
                raise ScmambaError(f"{name}={given!r}; give a scmamba.tasks.{kind.__name__}")
        if self.saved is not None:
            self._check_mapping()

    def _check_mapping(self) -> None:
        """Raise ScmambaError where an option of a fit is given to a call that fits nothing."""
        given = [f"{name}=" for name, usual in OF_A_FIT.items() if getattr(self, name) != usual]
        if given:
            raise ScmambaError(
                f"for a fit alone: {', '.join(given)}; model= is a fitted model that cells are "
                "mapped into without training: omit what is for a fit"
            )

    def recipe(self) -> Recipe:
        """Return how the network is trained; a pretrained model is loaded."""
        start = None
        if self.model is not None and not isinstance(self.model, MultiomicsModel):
            start = pretrained(self.model)
        return Recipe(
            self.training or MultiomicsTraining(),
            self.objectives or MultiomicsObjectives(),
            self.order,
            self.seed,
            start,
        )


ARTIFACT_FILE = "multiomics.json"


def _saved(model: object) -> MultiomicsModel | None:
    """Return the fitted model that ``model`` is or names, or None."""
    if isinstance(model, MultiomicsModel):
        return model
    if isinstance(model, (str, os.PathLike)) and is_multiomics(model):
        return MultiomicsModel.load(model)
    return None
