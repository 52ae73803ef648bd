"""Two levels of cell types: the coarse type of each fine one, with Cell Ontology ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._read import Fields, read_json

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
_TABLE = Path(__file__).with_name("cell_types.json")


@dataclass(frozen=True)
class CellType:
    """One entry of the table of cell types that ships with the package.

    Attributes
    ----------
    id
        Cell Ontology id, such as ``"CL:0000236"``.
    ontology_name
        Name of that term.
    coarse
        Name of the type in whose kind it counts at the coarse level; its own for a coarse type.
    """

    id: str
    ontology_name: str
    coarse: str


@cache
def cell_types() -> dict[str, CellType]:
    """Return the table of cell types by name.

    Examples
    --------
    >>> cell_types()["CD4 T cell"].coarse, cell_types()["T cell"].id
    ('T cell', 'CL:0000084')
    """
    content = read_json(_TABLE)
    entries = {name: Fields.of(entry, _TABLE) for name, entry in content.items()}
    return {
        name: CellType(*(entry.string(part) for part in ("id", "ontology_name", "coarse")))
        for name, entry in entries.items()
    }


@dataclass(frozen=True)
class Hierarchy:
    """Fine cell types of an annotator, the coarse types that they belong to, and ids of both.

    Attributes
    ----------
    fine
        The annotator's cell types, in its order.
    coarse
        Coarse types, sorted.
    codes
        (n_fine,) position in ``coarse`` of each fine type.
    ids
        Cell Ontology id of each type of both levels.
    thresholds
        (n_coarse,) confidence from which a coarse type counts where no fine one does; inf: never.

    Examples
    --------
    >>> import numpy as np
    >>> two = Hierarchy.of(["CD4 T cell", "CD8 T cell", "NK cell"])
    >>> two.coarse, two.codes.tolist()
    (('NK cell', 'T cell'), [1, 1, 0])
    >>> np.exp(two.log_proba(np.log([[0.5, 0.3, 0.2]]))).round(3).tolist()
    [[0.2, 0.8]]
    """

    fine: tuple[str, ...]
    coarse: tuple[str, ...]
    codes: Rows
    ids: Mapping[str, str]
    thresholds: Floats

    @classmethod
    def of(cls, fine: Sequence[str]) -> Hierarchy:
        """Make one of names in :func:`cell_types`; coarse types have the threshold 0.

        Raises
        ------
        ScmambaError
            A name is not in the table.
        """
        table = cell_types()
        if missing := sorted(set(fine) - set(table)):
            raise ScmambaError(
                f"{', '.join(map(repr, missing))}: not in the table of cell types; known: "
                f"{', '.join(table)}"
            )
        coarse = tuple(sorted({table[name].coarse for name in fine}))
        codes = np.array([coarse.index(table[name].coarse) for name in fine], dtype=np.int64)
        ids = {name: table[name].id for name in (*fine, *coarse)}
        return cls(tuple(fine), coarse, codes, ids, np.zeros(len(coarse)))

    def with_thresholds(self, thresholds: Floats) -> Hierarchy:
        """Return a copy with other thresholds of the coarse types."""
        return replace(self, thresholds=thresholds)

    def log_proba(self, fine: Floats) -> Floats:
        """(n, n_coarse) log-probabilities: those of the fine types (n, n_fine) added up."""
        columns = [np.logaddexp.reduce(fine[:, self.codes == c], axis=1) for c in self._range]
        return np.stack(columns, axis=1)

    def labels(self, log_proba: Floats, known: npt.NDArray[np.bool_], reject: Any) -> Rows:
        """(n,) position in ``coarse`` of each cell; -1 where it is unknown at this level too.

        Parameters
        ----------
        log_proba
            (n, n_fine) log-probabilities of the fine types.
        known
            (n,) whether the best fine type counts: the coarse one is then the one it belongs to.
        reject
            (n,) cells that are unknown at every level: out of distribution, or empty.
        """
        coarse = self.log_proba(log_proba)
        best = coarse.argmax(1)
        sure = (np.exp(coarse.max(1)) >= self.thresholds[best]) & ~np.asarray(reject, dtype=bool)
        return np.where(known, self.codes[log_proba.argmax(1)], np.where(sure, best, -1))

    def ontology_ids(self, fine: Sequence[str], coarse: Sequence[str]) -> list[str]:
        """Cell Ontology id of the finest label of each cell; ``unknown`` where it has none.

        Examples
        --------
        >>> two = Hierarchy.of(["CD4 T cell", "NK cell"])
        >>> two.ontology_ids(["NK cell", "unknown"], ["NK cell", "T cell"])
        ['CL:0000623', 'CL:0000084']
        """
        pairs = zip(fine, coarse, strict=True)
        return [self.ids.get(one, self.ids.get(other, UNKNOWN)) for one, other in pairs]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        kept = [None if np.isinf(one) else float(one) for one in self.thresholds]
        coarse = [self.coarse[code] for code in self.codes]
        return {"coarse": coarse, "ids": dict(self.ids), "thresholds": kept}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], fine: Sequence[str]) -> Hierarchy:
        """Read what :meth:`to_json` gave, for an annotator of the types ``fine``."""
        coarse = tuple(sorted(set(content["coarse"])))
        codes = np.array([coarse.index(one) for one in content["coarse"]], dtype=np.int64)
        kept = [np.inf if one is None else one for one in content["thresholds"]]
        return cls(tuple(fine), coarse, codes, content["ids"], np.array(kept))

    @property
    def _range(self) -> range:
        return range(len(self.coarse))
