"""Ways to correct batches, each run in a process of its own, with its seconds and peak memory.

``python -m scmamba.cli._integration_methods NAME CELLS OUTPUT SEED`` runs one of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmamba._errors import ScmambaError

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

BATCH, LABEL, UNLABELED, PCA = "batch", "label", "unknown", "X_pca"
"""Where cells carry what a method may read; X is log-normalised, ``layers["counts"]`` is not."""
_EPOCHS, _LABELLED_EPOCHS = 100, 20


@dataclass(frozen=True)
class Run:
    """What a method gave.

    Attributes
    ----------
    embedding
        (n_obs, d).
    seconds
        Of fitting and embedding, imports and reading left out.
    peak_bytes
        Largest resident memory of the process, libraries included; 0 where it is not known.
    """

    embedding: np.ndarray
    seconds: float
    peak_bytes: int


def _pca(cells: AnnData, seed: int) -> np.ndarray:
    import scanpy as sc

    n_comps = min(50, min(cells.shape) - 1)
    return sc.pp.pca(cells.X, n_comps=n_comps, random_state=seed)


def _harmony(cells: AnnData, seed: int) -> np.ndarray:
    import harmonypy

    found = harmonypy.run_harmony(
        _pca(cells, seed), cells.obs, BATCH, random_state=seed, verbose=False
    )
    corrected = found.Z_corr
    return corrected if len(corrected) == cells.n_obs else corrected.T  # older ones: (d, n_obs)


def _scvi_model(cells: AnnData, seed: int) -> Any:
    import scvi

    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(cells, layer="counts", batch_key=BATCH)
    model = scvi.model.SCVI(cells, n_layers=2, n_latent=30, gene_likelihood="nb")
    model.train(max_epochs=_EPOCHS, enable_progress_bar=False)
    return model


def _scvi(cells: AnnData, seed: int) -> np.ndarray:
    return _scvi_model(cells, seed).get_latent_representation()


def _scanvi(cells: AnnData, seed: int) -> np.ndarray:
    import scvi

    base = _scvi_model(cells, seed)
    model = scvi.model.SCANVI.from_scvi_model(base, UNLABELED, labels_key=LABEL)
    model.train(max_epochs=_LABELLED_EPOCHS, n_samples_per_label=100, enable_progress_bar=False)
    return model.get_latent_representation()


def _scmamba(cells: AnnData, seed: int, labels_key: str | None = None) -> np.ndarray:
    from scmamba.tasks import integrate

    integrate(
        cells,
        BATCH,
        labels_key=labels_key,
        unlabeled_category=UNLABELED,
        layer="counts",
        n_top_genes=None,
        seed=seed,
    )
    return cells.obsm["X_scmamba"]


def _scmamba_labels(cells: AnnData, seed: int) -> np.ndarray:
    return _scmamba(cells, seed, LABEL)


METHODS: dict[str, Callable[[AnnData, int], np.ndarray]] = {
    "pca": _pca,
    "harmony": _harmony,
    "scvi": _scvi,
    "scanvi": _scanvi,
    "scmamba": _scmamba,
    "scmamba_labels": _scmamba_labels,
}
PEERS = ("pca", "harmony", "scvi", "scanvi")


def run_alone(name: str, cells: Path, output: Path, seed: int) -> Run:
    """Run a method of :data:`METHODS` in a fresh process.

    Parameters
    ----------
    name
        Of the method.
    cells
        An .h5ad file laid out as :data:`BATCH` and its neighbours say.
    output
        Where the embedding is written, .npy.
    seed
        Of the method.

    Raises
    ------
    ScmambaError
        The process failed; the last line of what it said is passed on.
    """
    import numpy as np

    command = [sys.executable, "-m", __name__, name, str(cells), str(output), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ScmambaError(
            f"{name} failed: {last}. Leave it out of --peers, or install what it needs: "
            "pip install 'scmamba[benchmark]'"
        )
    return Run(np.load(output), **json.loads(done.stdout.splitlines()[-1]))


def _main(arguments: Sequence[str]) -> None:
    import anndata
    import numpy as np

    name, cells, output, seed = arguments
    adata = anndata.read_h5ad(cells)
    start = time.perf_counter()
    embedding = METHODS[name](adata, int(seed))
    seconds = time.perf_counter() - start
    np.save(output, np.asarray(embedding, dtype=np.float32))
    print(json.dumps({"seconds": seconds, "peak_bytes": _peak_bytes()}))


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    _main(sys.argv[1:])
