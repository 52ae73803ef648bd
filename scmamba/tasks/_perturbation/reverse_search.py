"""The search that :meth:`PerturbationModel.reverse` makes, with an index that further calls use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._arguments import check_choice, check_count
from scmamba.learn.effects.model import FittedEffectModel
from scmamba.learn.effects.names import label_of
from scmamba.tasks._perturbation.means import mean_changes, mean_controls
from scmamba.tasks._perturbation.requests import Requests
from scmamba.tasks._perturbation.reverse import Candidates, pairs_of, rank, read_target
from scmamba.tasks._perturbation.reverse_index import ReverseIndex, require_pynndescent


class ReverseSearch:
    """Ranks perturbations by how close they bring control cells to a target.

    Parameters
    ----------
    fitted
        Predicts effects.
    requests
        Reads the arguments.
    seed
        Seed of the index.
    """

    def __init__(self, fitted: FittedEffectModel, requests: Requests, seed: int) -> None:
        self._fitted, self._requests, self._seed = fitted, requests, seed
        self._index: tuple[object, ReverseIndex] | None = None

    def __call__(
        self,
        target: AnnData | pd.Series,
        candidates: Sequence[str] | None,
        *,
        top_k: int | None,
        combinations: int,
        context: str | None,
        change: bool,
        search: str,
    ) -> pd.DataFrame:
        """Return the ranked table; arguments are those of ``reverse``."""
        check_count("top_k", top_k)
        check_count("combinations", combinations, most=2, optional=False)
        check_choice("search", search, ("exact", "approximate"))
        if search == "approximate":
            require_pynndescent()
        contexts, table = self._requests.chosen_contexts(context), self._fitted.table
        measured = set(table.perturbations)
        names = [label_of(one) for one in dict.fromkeys(table.perturbations)]
        given = self._requests.perturbations(names if candidates is None else list(candidates))
        chosen = list(dict.fromkeys(given))
        pairs: list[tuple[int, int]] = []
        if combinations == 2:
            pairs, known = pairs_of(chosen, measured)
            chosen += known
        start = None
        if not change:
            self._requests.need_cells("reverse() of cells or a profile")
            start = mean_controls(self._requests, contexts)
        wanted = read_target(target, table.genes, start)
        effects = mean_changes(self._fitted, self._requests, chosen, contexts)
        places = np.array(pairs, np.int64).reshape(-1, 2)
        searched = Candidates(chosen, effects, places, self._fitted.scale)
        if search == "approximate" and top_k is not None:
            key = (tuple(chosen), tuple(pairs), contexts)
            if self._index is None or self._index[0] != key:
                self._index = (key, ReverseIndex.of(searched, self._seed))
            searched = searched.some(self._index[1].short_list(wanted, top_k))
        return rank(wanted, searched, table.genes, measured, top_k)
