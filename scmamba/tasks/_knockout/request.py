"""Options of a knock-out call, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._arguments import check_choice, check_count, nearest
from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba._text import obs_column

_FEWEST_CELLS = 3


@dataclass(frozen=True)
class KnockoutRequest:
    """Options of :func:`scmamba.tasks.knockout`, checked.

    Attributes
    ----------
    keys, genes, kind, goal, goal_key, n_null, seed
        As given; names of genes once each, in their order.
    where
        ``layer``, ``use_raw``, ``gene_key``.
    """

    keys: Keys
    genes: list[str]
    kind: str
    goal: str | None
    goal_key: str | None
    n_null: int
    seed: int
    where: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, ("delete", "overexpress"))
        check_count("n_null", self.n_null, least=0, optional=False)
        check_count("seed", self.seed, least=0, optional=False)
        if (self.goal is None) != (self.goal_key is None):
            raise ScmambaError(
                f"goal={self.goal!r} with goal_key={self.goal_key!r}; give both, the label of the "
                "goal state and the obs column that holds it, or neither"
            )

    def in_goal(self, obs: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
        """(n,) whether a cell is in the goal state, or None where there is none.

        Raises
        ------
        ScmambaError
            The column or the label is missing, or too few cells are in or outside the goal.
        """
        if self.goal_key is None:
            return None
        labels = obs_column(obs, self.goal_key, "goal_key", "adata.obs").astype(str).to_numpy()
        inside = labels == str(self.goal)
        if not inside.any():
            known = sorted(set(labels.tolist()))
            near = nearest(self.goal, known, cutoff=0.4)
            raise ScmambaError(
                f"goal={self.goal!r} is no label of {self.goal_key!r}; near: "
                f"{', '.join(map(repr, near))}"
            )
        if min(inside.sum(), (~inside).sum()) < _FEWEST_CELLS:
            raise ScmambaError(
                f"goal={self.goal!r} holds {inside.sum()} of {len(inside)} cells; at least "
                f"{_FEWEST_CELLS} cells must be in the goal state, and as many outside"
            )
        return inside


def gene_list(genes: Any, option: str = "genes") -> list[str]:
    """Names of genes, once each.

    Raises
    ------
    ScmambaError
        None is given, or what is given are no names.
    """
    names = [genes] if isinstance(genes, str) else genes
    right = isinstance(names, Sequence | pd.Index | np.ndarray | pd.Series) and len(names) > 0
    if not right or not all(isinstance(one, str) and one.strip() for one in names):
        text = repr(genes)
        raise ScmambaError(
            f"{option}={text if len(text) <= 60 else text[:57] + '...'}; give the name of a gene, "
            "or a list of names"
        )
    return list(dict.fromkeys(one.strip() for one in names))
