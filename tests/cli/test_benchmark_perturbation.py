"""``scmamba benchmark perturbation`` from file to folder."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba.cli.main import main


def test_tables_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(2.0, (90, 20)).astype(np.float32))
    adata.obs["drug"] = pd.Categorical(["ctrl", "A", "B"] * 30)
    adata.write_h5ad(tmp_path / "screen.h5ad")
    line = f"benchmark perturbation {tmp_path}/screen.h5ad --pert-key drug --control ctrl --seeds 1"
    more = ["--methods", "no_change, mean", "--output", f"{tmp_path}/out"]
    assert main([*line.split(), *more]) == 0
    assert "mean effect" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "out" / "scores.csv")) == 4
    assert main([*line.split(), "--split", "nothing", *more]) == 2
    assert "split='nothing'" in capsys.readouterr().err
