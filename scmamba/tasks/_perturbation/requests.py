"""What a fitted perturbation model is asked for, checked against what it knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scmamba._arguments import check_number
from scmamba._errors import ScmambaError
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats
from scmamba.tasks._perturbation.columns import Columns
from scmamba.tasks._perturbation.reading import FEWEST_CELLS, Screen

Perturbations = str | Sequence[str | Sequence[str]]


@dataclass(frozen=True)
class Requests:
    """Reads the arguments of calls.

    Attributes
    ----------
    screen
        What the model was fitted on.
    columns
        Names of the columns.
    embeddings
        Prior knowledge of genes, or None.
    """

    screen: Screen
    columns: Columns
    embeddings: GeneEmbeddings | None

    @property
    def table(self) -> EffectTable:
        """Measured effects."""
        return self.screen.table

    @property
    def contexts(self) -> tuple[str, ...]:
        """Measured contexts; ``("",)`` without contexts."""
        return tuple(dict.fromkeys((*self.table.context_names, *self.table.contexts)))

    def perturbations(self, given: Perturbations) -> list[Perturbation]:
        """Single perturbations of each request.

        Raises
        ------
        ScmambaError
            There is none, or one is neither in the data nor a known gene.
        """
        names = [given] if isinstance(given, str) else given
        names = list(names) if isinstance(names, Iterable) else [names]
        if not names:
            raise ScmambaError("perturbations is empty; give at least one")
        if not all(map(_is_name, names)):
            raise ScmambaError(
                f"perturbations={given!r}; give one or more names, such as 'A', 'A+B' or ['A', 'B']"
            )
        known, allowed = self.screen.names, self.embeddings
        measured = {one.casefold(): one for one in known.singles}
        measured |= {one: one for one in known.singles}
        parsed = []
        for one in map(known.parse, names):
            # in the letters of the data, where only upper and lower case differ
            parts = [measured.get(part, measured.get(part.casefold(), part)) for part in one]
            parsed.append(known.parse(parts) if parts else ())
            unknown = tuple(n for n in parts if allowed is None or not allowed.known([n])[0])
            few = [n for n in unknown if n in self.screen.left_out and n not in self.table.genes]
            if few:
                raise ScmambaError(
                    f"perturbation {few[0]!r} has fewer than {FEWEST_CELLS} cells and was left out "
                    "of the fit; add cells, or ask for another"
                )
            known.require_known(unknown)
        return parsed

    def dose(self, dose: float | None) -> float:
        """Dose as a number, NaN for None.

        Raises
        ------
        ScmambaError
            It is negative or not finite, or the model knows no doses.
        """
        check_number("dose", dose, low=0)
        if dose is not None and np.isnan(self.table.doses).all():
            raise ScmambaError(f"dose={dose}, but the model was fitted without dose_key")
        return float("nan") if dose is None else float(dose)

    def context(self, context: str) -> str:
        """Context, if it was measured; raises ScmambaError otherwise."""
        if context not in self.contexts:
            raise ScmambaError(
                f"context={context!r} was not measured; measured: "
                f"{', '.join(map(repr, self.contexts[:20]))}. For cells of another context give "
                "the control cells themselves"
            )
        return context

    def chosen_contexts(self, context: str | None) -> tuple[str, ...]:
        """All measured contexts, or the one that is named."""
        return self.contexts if context is None else (self.context(context),)

    def need_cells(self, what: str) -> None:
        """Raise ScmambaError where the model was fitted on given effects."""
        if self.table.controls is None:
            raise ScmambaError(
                f"{what} needs control cells, but the model was fitted on given effects "
                "(effects=True): use predict_mean(None, ..., change=True), or fit it on cells"
            )

    def profile_or_none(self, context: str) -> Floats | None:
        """(n_genes,) control profile of a context, or None where it has none."""
        measured = self.table.controls is not None and context in self.table.context_names
        return self.profile(context) if measured else None

    def profile(self, context: str) -> Floats:
        """(n_genes,) control profile of a context with controls."""
        found = self.table.control_of([context])
        assert found is not None
        return found[0]


def _is_name(one: object) -> bool:
    """Whether this is the name of a perturbation, or a list of names that are combined."""
    if isinstance(one, str):
        return True
    return isinstance(one, Sequence) and all(isinstance(part, str) for part in one)
