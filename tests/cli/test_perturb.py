"""``scmamba perturb`` from file to file."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba.cli.main import main


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(2.0, (60, 20)).astype(np.float32))
    adata.obs["drug"] = pd.Categorical(["ctrl", "A", "B"] * 20)
    adata.write_h5ad(tmp_path / "screen.h5ad")
    return tmp_path


def test_cells_are_predicted_and_the_model_saved(screen: Path, capsys: pytest.CaptureFixture[str]):
    line = (
        f"perturb {screen}/screen.h5ad --pert_key drug --control ctrl --save-model {screen}/model"
    )
    assert (
        main([*line.split(), "--perturbations", "[A,A+B]", "--output", f"{screen}/out.h5ad"]) == 0
    )
    found = ad.read_h5ad(screen / "out.h5ad")
    assert found.obs["drug"].value_counts().to_dict() == {"A": 20, "A+B": 20}
    assert "Perturbation model" in capsys.readouterr().out
    again = f"perturb {screen}/screen.h5ad --model {screen}/model --mean --perturbations [B]"
    assert main([*again.split(), "--output", f"{screen}/mean.csv"]) == 0
    assert pd.read_csv(screen / "mean.csv", index_col=0).shape == (1, 20)


def test_a_dose_is_asked_for(screen: Path):
    adata = ad.read_h5ad(screen / "screen.h5ad")
    adata.obs["dose"] = np.repeat([1.0, 4.0], 30)
    adata.X[30:, :5] *= np.where(adata.obs["drug"][30:] == "A", 9, 1)[:, None]
    adata.write_h5ad(screen / "doses.h5ad")
    line = f"perturb {screen}/doses.h5ad --pert_key drug --control ctrl --dose_key dose --mean"
    found = {}
    for dose in ("1", "2", "4"):
        given = ["--perturbations", "[A]", "--dose", dose, "--output", f"{screen}/{dose}.csv"]
        assert main([*line.split(), *given]) == 0
        found[dose] = pd.read_csv(screen / f"{dose}.csv", index_col=0).to_numpy()[0, :5].mean()
    assert found["1"] < found["2"] < found["4"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--pert_key drug --control ctrl", "nothing to do"),
        ("--pert_key drug --control ctrl --output out.h5ad", "belong together"),
        ("--perturbations [A] --output out.h5ad", "--pert_key is missing"),
        (
            "--pert_key drug --control ctrl --perturbations [C] --output out.h5ad --save_model m",
            "perturbation 'C' is neither",
        ),
        (
            "--pert_key drug --control ctrl --perturbations [A] --output out.csv",
            "end its name with .h5ad",
        ),
        (
            "--pert_key drug --control ctrl --perturbations [A] --output out.h5ad --cells no.h5ad",
            "no.h5ad does not exist",
        ),
        (
            "--pert_key drug --control ctrl --perturbations [A] --output out.h5ad --dose 2",
            "--dose 2 needs --dose_key",
        ),
        (
            "--pert_key drug --control ctrl --perturbations [A] --output out.h5ad --dose .nan",
            "dose=nan",
        ),
        ("--pert_key drug --control no --perturbations [A] --output out.h5ad", "control='no'"),
    ],
)
def test_wrong_lines_write_nothing(
    screen: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    message: str,
):
    monkeypatch.chdir(screen)
    assert main(["perturb", "screen.h5ad", *line.split()]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in screen.iterdir()] == ["screen.h5ad"]
