"""Files of Cell Ranger and MuData through embed, annotate and integrate, with results in a file."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba.tasks import IntegrationTraining, embed, integrate
from tests.stream.test_formats import cell_ranger_folder, cell_ranger_h5
from tests.tasks.tiny import annotate

TINY = IntegrationTraining(epochs=1, batch_size=32, width=16, n_latent=4, n_layer=0)


@pytest.fixture(params=["h5", "mtx", "h5mu"])
def path(cells: ad.AnnData, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The cells as another tool writes them; Cell Ranger keeps names and counts alone."""
    cells.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(cells.n_vars)]
    cells.var["feature_types"] = "Gene Expression"
    if request.param == "h5":
        return cell_ranger_h5(cells, tmp_path / "cells.h5")
    if request.param == "mtx":
        return cell_ranger_folder(cells, tmp_path / "cells")
    mudata = pytest.importorskip("mudata")
    mudata.MuData({"rna": cells}).write(tmp_path / "cells.h5mu")
    return tmp_path / "cells.h5mu"


def test_embed(cells, path, tmp_path, tiny_model) -> None:
    model = tiny_model(cells.var_names.tolist())
    embed(path, model, output=tmp_path / "out.h5ad")
    embed(cells, model)
    found = ad.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(found.obsm["X_scmamba"], cells.obsm["X_scmamba"], atol=1e-5)
    assert found.obs_names.tolist() == cells.obs_names.tolist()


def test_annotate(fitted, cells, path, tmp_path) -> None:
    annotator = fitted[1]
    annotate(path, model=annotator, output=tmp_path / "out.h5ad")
    annotate(cells, model=annotator)
    found = ad.read_h5ad(tmp_path / "out.h5ad").obs["scmamba_cell_type"]
    assert found.astype(str).tolist() == cells.obs["scmamba_cell_type"].astype(str).tolist()


def test_integrate_maps_new_cells(cells, path, tmp_path) -> None:
    if path.suffix != ".h5mu":
        pytest.skip("Cell Ranger writes no column of batches")
    integrator = integrate(cells, "batch", training=TINY)
    integrate(path, "batch", model=integrator, output=tmp_path / "out.h5ad")
    found = ad.read_h5ad(tmp_path / "out.h5ad").obsm["X_scmamba"]
    np.testing.assert_allclose(found, cells.obsm["X_scmamba"], atol=1e-4)
