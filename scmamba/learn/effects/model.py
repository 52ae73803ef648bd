"""Effects of seen and unseen perturbations in seen and unseen contexts, by one fitted model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.combinations import fit_scale
from scmamba.learn.effects.context_choice import fit_context_weights
from scmamba.learn.effects.contexts import ContextWeights, WeightedContexts
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.pairs import PairModel, fit_pair_model
from scmamba.learn.effects.predictor import Effect, Query
from scmamba.learn.effects.residual.fit import fit_residual
from scmamba.learn.effects.residual.residual import Residual, Unseen
from scmamba.learn.effects.table import EffectTable, Floats
from scmamba.learn.effects.unseen import UnseenModel, fit_unseen_model
from scmamba.learn.training import PerturbationTraining


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
    training
        How a network is trained on what all this misses; None: there is none.
    seed
        Seed of the network.

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
    training: PerturbationTraining | None = None
    seed: int = 0
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
        model = replace(model, scale=fit_scale(table, model.single))
        if self.training is None:
            return model
        plain = replace(self, training=None)
        residual = fit_residual(plain, table, self.embeddings, self.training, self.seed)
        return replace(model, residual=residual)


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
    residual
        Corrections by a network, or None.
    """

    table: EffectTable
    weights: ContextWeights | None
    pairs: Mapping[str, PairModel]
    unseen: Mapping[str, UnseenModel]
    scale: float
    residual: Residual | None = None

    def predict(self, query: Query) -> Floats:
        """(n, n_genes) predicted effects; each row by itself, whatever the others are."""
        found = np.zeros((len(query), len(self.table.genes)))

        share = cache(self._share)

        @cache
        def whole(perturbation: Perturbation, context: str, dose: str, n: int = 1) -> Effect:
            return share(n)._whole(perturbation, context, float(dose))

        @cache
        def effect_of(perturbation: Perturbation, context: str, dose: str) -> Effect:
            if not perturbation or float(dose) <= 0:
                return _constant(np.zeros(len(self.table.genes)))
            if len(perturbation) == 1 or self.rows_of(perturbation):
                return whole(perturbation, context, dose)
            n = len(perturbation)
            parts = [whole((name,), context, dose, n) for name in perturbation]  # others share them
            return lambda controls: self.scale * np.sum([one(controls) for one in parts], axis=0)

        for i, perturbation in enumerate(query.perturbations):
            effect = effect_of(perturbation, query.contexts[i], str(query.doses[i]))
            found[i] = effect(None if query.controls is None else query.controls[i])
        return found

    def single(self, name: str, context: str, dose: float) -> Floats:
        """(n_genes,) effect of one perturbation that is no combination, without controls."""
        return self.predict(Query.of([(name,)], [context], None, np.array([dose])))[0]

    def rows_of(self, perturbation: Perturbation) -> list[int]:
        """Rows of the table that hold a perturbation."""
        return self._rows.get(perturbation, [])

    @cached_property
    def _rows(self) -> dict[Perturbation, list[int]]:
        rows: dict[Perturbation, list[int]] = {}
        for i, one in enumerate(self.table.perturbations):
            rows.setdefault(one, []).append(i)
        return rows

    def control_profiles(self, controls: Floats) -> Floats:
        """(n, n_genes) mean of measured control cells like those with profiles ``controls``."""
        assert self.weights is not None and self.table.controls is not None
        allowed = np.ones((len(controls), len(self.table.context_names)), bool)
        return self.weights.weights(controls, allowed) @ self.table.controls

    def _share(self, n: int) -> FittedEffectModel:
        """Return the model of one of ``n`` parts, which together make contexts converge once."""
        if n == 1 or self.weights is None:
            return self
        return replace(
            self, weights=replace(self.weights, convergence=self.weights.convergence / n)
        )

    def _whole(self, perturbation: Perturbation, context: str, dose: float) -> Effect:
        """Effect of a perturbation taken as one, corrected where it was not measured."""
        effect, unseen = self._statistical(perturbation, context, dose)
        if self.residual is None or unseen is None:
            return effect
        return self.residual.correcting(perturbation, unseen, effect)

    def _statistical(
        self, perturbation: Perturbation, context: str, dose: float
    ) -> tuple[Effect, Unseen | None]:
        """Effect without the network, and what was not measured of it."""
        rows = self.rows_of(perturbation)
        here = [i for i in rows if self.table.contexts[i] == context]
        if here:
            return _constant(self._at_dose(here, dose)), None
        if not rows:
            if context in self.unseen:
                return _constant(self.unseen[context].predict(perturbation)), "perturbation"
            effects = np.stack([one.predict(perturbation) for one in self.unseen.values()])
            return self._over_contexts(context, list(self.unseen), effects, None), "perturbation"
        pair = self.pairs.get(context)
        if pair is not None:
            known = (perturbation, str(float(self._nearest_dose(rows, dose))))
            if pair.elsewhere.knows(known):
                return _constant(pair.predict([known])[0]), "pair"
        names = list(dict.fromkeys(self.table.contexts[i] for i in rows))
        by_context = [[i for i in rows if self.table.contexts[i] == name] for name in names]
        effects = np.stack([self._at_dose(one, dose) for one in by_context])
        errors = None
        if self.table.errors is not None:
            errors = np.stack([self.table.errors[one].mean(0) for one in by_context])
        kind: Unseen = "pair" if context in self.unseen else "context"
        return self._over_contexts(context, names, effects, errors), kind

    def _over_contexts(
        self, context: str, names: Sequence[str], effects: Floats, errors: Floats | None
    ) -> Effect:
        """Effects of contexts, weighted by how alike they are to the control profile."""
        mean = np.asarray(effects.mean(0))
        if self.weights is None:
            return _constant(mean)
        columns = [self.table.context_names.index(name) for name in names]
        known = context in self.table.context_names
        own = self.weights.controls[self.table.context_names.index(context)] if known else None
        weighted = WeightedContexts.of(self.weights, columns, effects, errors, own)
        return lambda controls: mean if controls is None else weighted.at(controls)

    def _at_dose(self, rows: Sequence[int], dose: float) -> Floats:
        """Effect at a dose, interpolated on its logarithm; at the ends, the nearest dose's."""
        doses = self.table.doses[list(rows)]
        if np.isnan(dose) or np.isnan(doses).any():
            return self.table.effects[list(rows)].mean(0, dtype=np.float64)
        order = np.argsort(doses)
        found = self.table.effects[np.array(rows)[order]]
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


def _constant(effect: Floats) -> Effect:
    return lambda _: effect
