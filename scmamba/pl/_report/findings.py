"""What a task left in an AnnData, and what a report is asked to show of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN, Keys
from scmamba._text import label_texts
from scmamba.pl._coordinates import log_values

_LIKELY_BATCHES = ("batch", "donor", "donor_id", "sample", "sample_id", "patient")
_MOST_BATCHES = 60

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Findings:
    """Results of a task.

    Attributes
    ----------
    cells
        All cells, an AnnData or a MuData.
    some
        Those that are drawn and computed with.
    keys
        Names under which the results are.
    labels_key
        ``obs`` column of known labels, or None.
    batch_given
        ``obs`` column of batches, where one was named.
    model
        What made the results: an annotator, an integrator or another model; or None.
    controls
        Control cells of predicted ones, or None.
    layer
        Layer with the expression; None: ``X`` or ``.raw``.
    seed
        Of all that is random.
    """

    cells: Any
    some: Any
    keys: Keys
    labels_key: str | None
    batch_given: str | None
    model: Any
    controls: AnnData | None
    layer: str | None
    seed: int

    @property
    def obs(self) -> pd.DataFrame:
        """Annotations of all cells."""
        return self.cells.obs

    @cached_property
    def record(self) -> dict[str, Any]:
        """What ran, as tasks write it; empty where nothing did."""
        found = self.cells.uns.get(self.keys.uns, {})
        return dict(found) if isinstance(found, Mapping) else {}

    @property
    def task(self) -> str:
        """Name of the task, or ``""``."""
        return str(self.record.get("task", ""))

    @cached_property
    def batch_key(self) -> str | None:
        """``obs`` column of batches: as given, as the task had it, or one of a usual name."""
        told = self.batch_given or self.record.get("batch_key")
        if isinstance(told, str) and told in self.obs:
            return told
        for name in _LIKELY_BATCHES:
            if name in self.obs and 2 <= self.obs[name].nunique() <= _MOST_BATCHES:
                return name
        return None

    @cached_property
    def predicted_key(self) -> str | None:
        """``obs`` column of predicted labels."""
        return self.keys.cell_type if self.keys.cell_type in self.obs else None

    @property
    def groups_key(self) -> str | None:
        """``obs`` column of the types of cells: as predicted, else as known."""
        return self.predicted_key or self.labels_key

    def labels(self, key: str) -> pd.Series:
        """Texts of an ``obs`` column of all cells; NaN where they are missing."""
        texts, missing = label_texts(self.obs[key], name=f"obs[{key!r}]")
        return pd.Series(texts, self.obs.index, dtype=object).mask(missing)

    @cached_property
    def known(self) -> pd.Series:
        """True where a cell has both a known label and a best guess; all False without either."""
        pair = (self.labels_key, self.keys.best_guess)
        if any(key is None or key not in self.obs for key in pair):
            return pd.Series(False, self.obs.index)
        found = pd.Series(True, self.obs.index)
        for key in pair:
            found &= self.labels(str(key)).notna()
        return found

    @cached_property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """(n,) cells that are called unknown; all False without predictions."""
        if self.predicted_key is None:
            return np.zeros(len(self.obs), bool)
        return (self.labels(self.predicted_key) == UNKNOWN).to_numpy()

    @cached_property
    def history(self) -> pd.DataFrame:
        """How the training of the model went; empty where that is not known."""
        found = getattr(self.model, "history", None)
        return found if isinstance(found, pd.DataFrame) else pd.DataFrame()

    @cached_property
    def validation(self) -> pd.DataFrame:
        """How predictions were validated, of the cells or of the model; empty without."""
        stored = self.cells.uns.get(self.keys.validation)
        if isinstance(stored, pd.DataFrame):
            return stored
        found = getattr(self.model, "validation", None)
        return found if isinstance(found, pd.DataFrame) else pd.DataFrame()

    @cached_property
    def rna(self) -> AnnData | None:
        """The drawn cells with their expression; None where there is none."""
        found = self.some.mod.get("rna") if hasattr(self.some, "mod") else self.some
        if found is None or not found.n_vars or (found.X is None and not len(found.layers)):
            return None
        return found

    @cached_property
    def _read(self) -> AnnData | ScmambaError | None:
        try:
            return None if self.rna is None else log_values(self.rna, self.layer)
        except ScmambaError as error:
            return error

    @property
    def values(self) -> AnnData | None:
        """Log-normalized values of the drawn cells; None where they cannot be read."""
        return None if isinstance(self._read, ScmambaError) else self._read

    @property
    def unreadable(self) -> str:
        """Why expression cannot be read; empty where it can."""
        return str(self._read) if isinstance(self._read, ScmambaError) else ""

    def types_of_values(self, key: str) -> npt.NDArray[np.object_]:
        """(n,) label of each row of :attr:`values`; None where it is missing."""
        assert self.rna is not None
        column = self.rna.obs.get(key)
        if column is None:
            column = self.some.obs[key].reindex(self.rna.obs_names)
        texts, missing = label_texts(column, name=f"obs[{key!r}]")
        texts = texts.astype(object)
        texts[missing] = None
        return texts

    @cached_property
    def embedding(self) -> Floats | None:
        """(n, d) embedding of the drawn cells that the task wrote; None without."""
        values = self.some.obsm.get(self.keys.embedding)
        if values is None:
            return None
        return np.nan_to_num(np.asarray(values, dtype=np.float64))


def check_column(cells: Any, key: str | None, option: str) -> None:
    """Refuse a column that ``obs`` lacks.

    Raises
    ------
    ScmambaError
        It has no column of that name.
    """
    if key is not None and key not in cells.obs:
        raise ScmambaError(
            f"{option}={key!r} is not a column of obs, which has "
            f"{', '.join(map(repr, cells.obs)) or 'none'}"
        )
