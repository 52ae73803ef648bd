"""Ways to correct batches, each with the settings that its authors suggest.

``python -m scmamba.cli._integration_methods NAME CELLS OUTPUT SEED DEVICE`` runs one of them.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmamba.cli._integration_cells import BATCH, LABEL, UNLABELED

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

_EPOCHS, _LABELLED_EPOCHS = 100, 20


def _pca(cells: AnnData, seed: int) -> np.ndarray:
    import scanpy as sc

    n_comps = min(50, min(cells.shape) - 1)
    return sc.pp.pca(cells.X, n_comps=n_comps, random_state=seed)


def harmony(cells: AnnData, seed: int, **options: Any) -> np.ndarray:
    """Harmony on principal components, with ``options`` of ``harmonypy.run_harmony``."""
    import harmonypy

    found = harmonypy.run_harmony(
        _pca(cells, seed), cells.obs, BATCH, random_state=seed, verbose=False, **options
    )
    corrected = found.Z_corr
    return corrected if len(corrected) == cells.n_obs else corrected.T  # older ones: (d, n_obs)


def _accelerator() -> str:
    from scmamba._settings import settings

    return "cpu" if settings.device == "cpu" else "auto"


def _scvi_model(cells: AnnData, seed: int) -> Any:
    import scvi

    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(cells, layer="counts", batch_key=BATCH)
    model = scvi.model.SCVI(cells, n_layers=2, n_latent=30, gene_likelihood="nb")
    model.train(max_epochs=_EPOCHS, accelerator=_accelerator(), enable_progress_bar=False)
    return model


def _scvi(cells: AnnData, seed: int) -> np.ndarray:
    return _scvi_model(cells, seed).get_latent_representation()


def _scanvi(cells: AnnData, seed: int) -> np.ndarray:
    import scvi

    base = _scvi_model(cells, seed)
    model = scvi.model.SCANVI.from_scvi_model(base, UNLABELED, labels_key=LABEL)
    model.train(
        max_epochs=_LABELLED_EPOCHS,
        n_samples_per_label=100,
        accelerator=_accelerator(),
        enable_progress_bar=False,
    )
    return model.get_latent_representation()


def ours(cells: AnnData, seed: int, **options: Any) -> np.ndarray:
    """:func:`scmamba.tasks.integrate` on all genes of ``cells``, with ``options``."""
    from scmamba.tasks import integrate

    where = {"layer": "counts", "n_top_genes": None}
    integrate(cells, BATCH, seed=seed, **where, **options)
    return cells.obsm["X_scmamba"]


@dataclass(frozen=True)
class Method:
    """A way to correct batches.

    Attributes
    ----------
    run
        Takes cells as :func:`prepare` lays them out and a seed, gives an embedding (n_obs, d).
    package
        What must be installed for it.
    title
        Its name in tables.
    labels
        Whether it learns from labels.
    """

    run: Callable[[AnnData, int], np.ndarray]
    package: str
    title: str
    labels: bool = False


METHODS = {
    "pca": Method(_pca, "scanpy", "PCA"),
    "harmony": Method(harmony, "harmonypy", "Harmony"),
    "scvi": Method(_scvi, "scvi", "scVI"),
    "scanvi": Method(_scanvi, "scvi", "scANVI", labels=True),
    "scmamba": Method(ours, "scmamba.tasks", "scmamba"),
    "scmamba_labels": Method(
        partial(ours, labels_key=LABEL), "scmamba.tasks", "scmamba with labels", labels=True
    ),
}
OURS = ("scmamba", "scmamba_labels")
PEERS = tuple(name for name in METHODS if name not in OURS)


def main(methods: Mapping[str, Method], arguments: Sequence[str]) -> None:
    """Run one of ``methods`` on a file of cells; print seconds, peak memory and what it says.

    Parameters
    ----------
    arguments
        Name of the method, file of cells, .npy file to write, seed, device.
    """
    import anndata
    import numpy as np

    from scmamba._settings import settings

    name, cells, output, seed, settings.device = arguments
    method = methods[name]
    importlib.import_module(method.package)
    adata = anndata.read_h5ad(cells)
    start, cpu_start = time.perf_counter(), time.process_time()
    embedding = method.run(adata, int(seed))
    took = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,  # tells what other programs cost
    }
    np.save(output, np.asarray(embedding, dtype=np.float32))
    about = adata.uns.get("scmamba", {})
    found = {**took, "peak_bytes": _peak_bytes(), "about": about}
    print(json.dumps(found, default=lambda value: np.asarray(value).tolist()))


def _peak_bytes() -> int:
    """Most resident memory of this process, 0 where that is not known."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(METHODS, sys.argv[1:])
