"""Effects of seen and unseen perturbations in seen and unseen contexts, by one fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.combinations import fit_scale
from scmamba.learn.effects.contexts import ContextWeights, combined, fit_context_weights
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.pairs import PairModel, fit_pair_model
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import EffectTable, Floats
from scmamba.learn.effects.unseen import UnseenModel, fit_unseen_model


@dataclass(frozen=True)
class EffectModel:
    """Predicts the effect of a perturbation from what was measured nearest to it.

    In turn: the measured effect; its effects in other contexts, weighted by how alike the control
    cells are, and within a known context also those of perturbations that act alike elsewhere;
    kriging on prior knowledge of genes; for combinations, the scaled sum of their parts.

    Parameters
    ----------
    embeddings
        Prior knowledge of genes; None: none.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> table = EffectTable.from_effects(
    ...     np.eye(2), [("A",), ("B",)], ["", ""], pd.Index(["g1", "g2"])
    ... )
    >>> EffectModel().fit(table).predict(Query.of([("C",)])).tolist()  # no knowledge: the mean
    [[0.5, 0.5]]
    """

    embeddings: GeneEmbeddings | None = field(default=None, repr=False)
    name: ClassVar[str] = "scmamba"

    def fit(self, table: EffectTable) -> FittedEffectModel:
        """Learn from all rows; settings are chosen on rows that are left out in turn."""
        names = tuple(dict.fromkeys(table.contexts))
        pairs = {name: fit_pair_model(table, name) for name in names} if len(names) > 1 else {}
        unseen = {name: fit_unseen_model(table, name, self.embeddings) for name in names}
        model = FittedEffectModel(
            table,
            fit_context_weights(table),
            {name: one for name, one in pairs.items() if one is not None},
            unseen,
            1.0,
        )
        return replace(model, scale=fit_scale(table, model.single))


@dataclass(frozen=True)
class FittedEffectModel:
    """A fitted :class:`EffectModel`.

    Attributes
    ----------
    table
        Measured effects.
    weights
        Weights of contexts, or None without control profiles.
    pairs
        By context: effects from those in other contexts, where enough was measured.
    unseen
        By context: effects of perturbations that were measured nowhere.
    scale
        Factor of the sum of the parts of a combination.
    """

    table: EffectTable
    weights: ContextWeights | None
    pairs: Mapping[str, PairModel]
    unseen: Mapping[str, UnseenModel]
    scale: float

    def predict(self, query: Query) -> Floats:
        """(n, n_genes) predicted effects."""
        found = np.zeros((len(query), len(self.table.genes)))
        for i, perturbation in enumerate(query.perturbations):
            found[i] = self._one(
                perturbation,
                query.contexts[i],
                float(query.doses[i]),
                None if query.controls is None else query.controls[i : i + 1],
            )
        return found

    def single(self, name: str, context: str, dose: float, controls: Floats | None) -> Floats:
        """(n_genes,) effect of one perturbation that is no combination."""
        return self._whole((name,), context, dose, controls)

    def rows_of(self, perturbation: Perturbation) -> list[int]:
        """Rows of the table that hold a perturbation."""
        return [i for i, one in enumerate(self.table.perturbations) if one == perturbation]

    def control_profiles(self, controls: Floats) -> Floats:
        """(n, n_genes) mean of measured control cells like those with profiles ``controls``."""
        assert self.weights is not None and self.table.controls is not None
        allowed = np.ones((len(controls), len(self.table.context_names)), bool)
        return self.weights.weights(controls, allowed) @ self.table.controls

    def _one(
        self, perturbation: Perturbation, context: str, dose: float, controls: Floats | None
    ) -> Floats:
        if not perturbation:
            return np.zeros(len(self.table.genes))
        if len(perturbation) == 1 or self.rows_of(perturbation):
            return self._whole(perturbation, context, dose, controls)
        parts = [self.single(name, context, dose, controls) for name in perturbation]
        return self.scale * np.sum(parts, axis=0)

    def _whole(
        self, perturbation: Perturbation, context: str, dose: float, controls: Floats | None
    ) -> Floats:
        """Effect of a perturbation taken as one, measured or not."""
        rows = self.rows_of(perturbation)
        here = [i for i in rows if self.table.contexts[i] == context]
        if here:
            return self._at_dose(here, dose)
        if not rows:
            return self._over_contexts(
                list(self.unseen),
                np.stack([one.predict(perturbation) for one in self.unseen.values()]),
                None,
                context,
                controls,
            )
        names = list(dict.fromkeys(self.table.contexts[i] for i in rows))
        by_context = [[i for i in rows if self.table.contexts[i] == name] for name in names]
        pair = self.pairs.get(context)
        if pair is not None:
            known = (perturbation, str(float(self._nearest_dose(rows, dose))))
            if pair.elsewhere.knows(known):
                return pair.predict([known])[0]
        effects = np.stack([self._at_dose(one, dose) for one in by_context])
        errors = None
        if self.table.errors is not None:
            errors = np.stack([self.table.errors[one].mean(0) for one in by_context])
        return self._over_contexts(names, effects, errors, context, controls)

    def _over_contexts(
        self,
        names: Sequence[str],
        effects: Floats,
        errors: Floats | None,
        context: str,
        controls: Floats | None,
    ) -> Floats:
        """Effects of contexts, weighted by how alike they are to the one asked for."""
        if context in names:
            return effects[list(names).index(context)]
        if self.weights is None or controls is None:
            return np.asarray(effects.mean(0))
        allowed = np.array([[name in names for name in self.table.context_names]])
        weights = self.weights.weights(controls, allowed)
        columns = [self.table.context_names.index(name) for name in names]
        return combined(weights[:, columns], effects, errors, self.weights.by_precision)[0]

    def _at_dose(self, rows: Sequence[int], dose: float) -> Floats:
        """Effect at a dose, interpolated on its logarithm; at the ends, the nearest dose's."""
        doses = self.table.doses[list(rows)]
        if np.isnan(dose) or np.isnan(doses).any():
            return self.table.effects[list(rows)].mean(0, dtype=np.float64)
        order = np.argsort(doses)
        found = self.table.effects[np.array(rows)[order]]
        if dose <= 0:
            return np.zeros(found.shape[1])
        at = np.log(np.maximum(doses[order], 1e-12))
        place = np.interp(np.log(dose), at, np.arange(len(at)))
        low = int(np.floor(place))
        high = min(low + 1, len(at) - 1)
        return np.asarray((1 - (place - low)) * found[low] + (place - low) * found[high])

    def _nearest_dose(self, rows: Sequence[int], dose: float) -> float:
        doses = self.table.doses[list(rows)]
        if np.isnan(dose) or np.isnan(doses).any():
            return float(doses[0])
        return float(doses[np.argmin(np.abs(np.log(np.maximum(doses, 1e-12) / max(dose, 1e-12))))])
