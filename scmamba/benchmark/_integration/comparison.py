"""Methods of batch correction with several seeds on the same cells: run, scored and kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.benchmark._integration.cells import BATCH, LABEL
from scmamba.benchmark._integration.methods import IntegrationMethod
from scmamba.benchmark.runs import Runs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from scmamba.metrics import IntegrationScores

PROGRAM = ("-m", "scmamba.benchmark._integration.program")
_KEY = "embedding"


@dataclass(frozen=True)
class Comparison:
    """Methods on the same cells, each with several seeds.

    Attributes
    ----------
    methods
        By the name by which ``program`` knows them.
    cells
        As :func:`~scmamba.benchmark.prepare_cells` lays them out.
    folder
        Holds of each run the embedding (.npy) and what was found (.json).
    max_cells
        So many are scored, at most; see :func:`scmamba.metrics.integration`.
    program
        Arguments of Python that run a method.
    environment
        Environment variables that these processes get beside those of this one, such as
        ``{"NUMBA_NUM_THREADS": "4"}``.

    Examples
    --------
    >>> from pathlib import Path
    >>> import scmamba
    >>> from scmamba.benchmark import INTEGRATION_METHODS, Comparison, prepare_cells
    >>> adata = scmamba.datasets.synthetic(60, 40, 3, n_batches=2)
    >>> cells = prepare_cells(adata, "batch", "cell_type")
    >>> comparison = Comparison({"pca": INTEGRATION_METHODS["pca"]}, cells, Path("comparison"))
    >>> list(comparison.methods)
    ['pca']
    """

    methods: Mapping[str, IntegrationMethod]
    cells: AnnData
    folder: Path
    max_cells: int = 100_000
    program: Sequence[str] = PROGRAM
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, seeds: Sequence[int], jobs: int = 1) -> list[dict[str, Any]]:
        """Run and score every method with every seed; those that are there are not run again.

        Parameters
        ----------
        jobs
            How many methods run side by side; more than one lengthens the seconds of each.

        Returns
        -------
        Of each run ``method``, ``seed``, ``seconds`` of the clock and ``cpu_seconds`` of all
        processors, ``peak_bytes``, ``about`` (what scmamba reports about itself), ``scores`` by
        metric, the ``groups`` of the metrics and ``n_scored`` cells.

        Raises
        ------
        ScmambaError
            A method failed, or a run in the folder was made on other cells.
        """
        results = Runs(self.folder, {"cells": hash_cells(self.cells), "max_cells": self.max_cells})
        order = [(name, seed) for seed in seeds for name in self.methods]
        found = {job: results.read(*job) for job in order}
        if todo := [job for job in order if found[job] is None]:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as made:
                path = Path(made, "cells.h5ad")
                self.cells.write_h5ad(path)
                with ThreadPoolExecutor(jobs) as pool:
                    embedded = {pool.submit(self._embed, *job, path): job for job in todo}
                    for done in as_completed(embedded):
                        job = embedded[done]
                        found[job] = results.write(self._score(*job, done.result()), *job)
        return [run for run in found.values() if run is not None]

    def embedding(self, name: str, seed: int) -> np.ndarray:
        """(n_obs, d) what a run gave."""
        import numpy as np

        return np.load(self._array(name, seed))

    def umaps(
        self, seed: int, names: Sequence[str], most: int = 20_000
    ) -> tuple[AnnData, dict[str, str]]:
        """At most ``most`` cells with UMAPs of those runs of ``names`` there are, keys by title."""
        import anndata

        from scmamba.stream.sampling import sample

        rows = sample(self.cells.n_obs, most, 0)
        shown, bases = anndata.AnnData(obs=self.cells.obs.iloc[rows]), {}
        for name in names:
            if name in self.methods:
                key = bases[self.methods[name].title] = f"X_umap_{name}"
                shown.obsm[key] = self._umap(name, seed, rows)
        return shown, bases

    def _umap(self, name: str, seed: int, rows: np.ndarray) -> np.ndarray:
        """(n, 2) places of the cells ``rows`` in a run; kept in the folder beside it."""
        import numpy as np

        from scmamba.pl._coordinates import umap

        embedding = self._array(name, seed)
        path = embedding.with_suffix(".umap.npy")
        if path.exists() and path.stat().st_mtime >= embedding.stat().st_mtime:
            kept = np.load(path)
            if len(kept) == len(rows):
                return kept
        made = umap(self.embedding(name, seed)[rows])
        np.save(path, made)
        return made

    def _array(self, name: str, seed: int) -> Path:
        return self.folder / f"{name}__{seed}.npy"

    def _embed(self, name: str, seed: int, cells: Path) -> dict[str, Any]:
        """Run in a fresh process, which writes the embedding; what it measured."""
        output = self._array(name, seed)
        given = [name, str(cells), str(output), str(seed), settings.device]
        done = subprocess.run(
            [sys.executable, *self.program, *given],
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment},
        )
        if done.returncode:
            last = (done.stderr.strip() or "it wrote no message").splitlines()[-1]
            raise ScmambaError(
                f"{self.methods[name].title} failed: {last}. Leave it out, or mend what it says"
            )
        return json.loads(done.stdout.splitlines()[-1])

    def _score(self, name: str, seed: int, measured: dict[str, Any]) -> dict[str, Any]:
        """Score the embedding of a run; what is known of it."""
        from scmamba.metrics import integration

        scored = self.cells.copy()
        scored.obsm[_KEY] = self.embedding(name, seed)
        scores = integration(scored, BATCH, LABEL, [_KEY], max_cells=self.max_cells)
        found = scores.table.loc[_KEY].to_dict()
        title, seconds = self.methods[name].title, measured["seconds"]
        logger.info("%s, seed %d: total %.3f after %.0f s", title, seed, found["Total"], seconds)
        about = {"groups": scores.groups, "n_scored": scores.n_scored}
        return {"method": name, "seed": seed, **measured, "scores": found, **about}


def table(
    runs: Sequence[Mapping[str, Any]], methods: Mapping[str, IntegrationMethod]
) -> pd.DataFrame:
    """One row per run: method, seed, every score, seconds of clock and processor, peak memory."""
    import pandas as pd

    return pd.DataFrame(
        {
            "method": methods[run["method"]].title,
            "labels used": methods[run["method"]].labels,
            "seed": run["seed"],
            **run["scores"],
            "seconds": run["seconds"],
            "processor seconds": run["cpu_seconds"],
            "peak GB": run["peak_bytes"] / 1e9,
        }
        for run in runs
    )


def mean_scores(
    runs: Sequence[Mapping[str, Any]], methods: Mapping[str, IntegrationMethod], n_cells: int
) -> IntegrationScores:
    """Scores by method, means over its runs on ``n_cells`` cells."""
    import pandas as pd

    from scmamba.metrics import IntegrationScores

    rows = pd.DataFrame([run["scores"] for run in runs])
    titles = pd.Series([methods[run["method"]].title for run in runs], name="embedding")
    means = rows.groupby(titles, sort=False).mean()
    return IntegrationScores(means, runs[0]["groups"], n_cells, runs[0]["n_scored"])


def hash_cells(cells: AnnData) -> str:
    """Hash of what methods read and of what they are scored by."""
    found = hashlib.sha256()
    counts = cells.layers["counts"]
    for array in (counts.data, counts.indices, counts.indptr):
        found.update(array.tobytes())
    for names in (cells.var_names, cells.obs[BATCH], cells.obs[LABEL]):
        found.update("\n".join(map(str, names)).encode())
    return found.hexdigest()[:16]
