"""knockout and gene_network from file to file."""

import pandas as pd
import pytest

import scmamba
from scmamba.cli.main import main


def test_knockout_and_gene_network(tmp_path):
    cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    path = str(tmp_path / "cells.h5ad")
    cells.write_h5ad(path)
    gene = cells.var_names[0]
    files = {
        name: str(tmp_path / name) for name in ("out.h5ad", "genes.csv", "edges.csv", "tf.txt")
    }
    arguments = ["--genes", f"[{gene}]", "--n_null", "3", "--table", files["genes.csv"]]
    assert main(["knockout", path, *arguments, "--output", files["out.h5ad"]]) == 0
    assert pd.read_csv(files["genes.csv"])["gene"].tolist() == [gene]
    (tmp_path / "tf.txt").write_text(f"{gene}\nno_such_gene\n")
    regulators = ["--regulators", files["tf.txt"]]
    assert main(["gene-network", path, *regulators, "--output", files["edges.csv"]]) == 0
    assert set(pd.read_csv(files["edges.csv"])["regulator"]) == {gene}
    assert main(["knockout", path, "--genes", "[NOPE]", "--output", files["out.h5ad"]]) == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--regulators no.txt", "there is no file"),
        ("--known_targets no.csv", "there is no file"),
        ("--known_targets empty.csv", "empty.csv"),
        ("--picture p.doc", "end its name with .png"),
        ("--picture no/p.png", "does not exist"),
    ],
)
def test_wrong_files_are_told_before_any_work(tmp_path, monkeypatch, capsys, option, message):
    monkeypatch.chdir(tmp_path)
    scmamba.datasets.synthetic(20, 30, 2).write_h5ad("cells.h5ad")
    (tmp_path / "empty.csv").touch()
    line = f"gene-network cells.h5ad --output edges.csv {option}"
    assert main(line.split()) == 2
    assert message in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"cells.h5ad", "empty.csv"}
