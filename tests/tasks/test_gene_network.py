"""Gene networks: weights against slow formulas, tables, enrichment, and wrong inputs."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse, stats

import scmamba
from scmamba._errors import ScmambaError
from scmamba.models import CellModel, preset
from scmamba.tasks import gene_network
from scmamba.tasks._cell_models import read_cells
from scmamba.tasks._forward import forward
from scmamba.tasks._knockout.decode import fit_decoder
from scmamba.tasks._network.edges import edge_table, enrichment
from scmamba.tasks._network.weights import by_correlation, by_gradient
from scmamba.tokens import Vocab
from scmamba.tokens.cells.tokenize import CellTokens


@pytest.fixture
def cells():
    return scmamba.datasets.synthetic(60, 40, 2, human=True)


def test_correlation():
    x = sparse.random(50, 6, 0.4, "csr", random_state=0)
    got = by_correlation(x, np.array([1, 3]), np.arange(6))
    np.testing.assert_allclose(got, np.corrcoef(x.toarray().T)[[1, 3]], atol=1e-9)


@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_gradient_equals_differences(cells, pool):
    torch.manual_seed(0)
    names = list(cells.var_names)
    settings = {"d_model": 16, "n_layer": 0, "value_type": "lognorm", "input_norm": "none"}
    model = CellModel(preset("mini", n_genes=43, pool=pool, **settings)).double()
    model.vocab = Vocab(names)
    read = read_cells(model.float(), scmamba.pp.expression(cells), cells.obs, None)
    values = scmamba.tasks._panel.aligned(scmamba.pp.expression(cells), read_match(cells), 40)
    decoder = fit_decoder(forward(model, read.data).embedding, values, 0)
    got = by_gradient(read, np.array([2]), decoder)[0]
    tokens = read.data.tokens
    step = 1e-2 * (tokens.gene_ids == 2)
    moved = []
    for sign in (1, -1):
        changed = (tokens.values + sign * step).astype(np.float32)
        data = type(read.data)(
            CellTokens(tokens.indptr, tokens.gene_ids, changed), model.vocab, 0.0, -2.0
        )
        moved.append(forward(model, data).embedding.astype(float))
    slope = (moved[0] - moved[1]).mean(0) / 2e-2
    spread = read.values.toarray()[:, 2].astype(float).std()
    np.testing.assert_allclose(got, slope @ decoder.weight / decoder.scale * spread, atol=2e-3)


def read_match(cells):
    names = list(cells.var_names)
    return scmamba.tokens.resolve(names, names)


@pytest.mark.parametrize("method", ["knockout", "gradient", "correlation"])
def test_planted_edges(method):
    rng = np.random.default_rng(0)
    counts = rng.poisson(5, (400, 40)).astype(float)
    driver = rng.gamma(2, 1, 400)
    counts[:, 0] = rng.poisson(6 * driver)
    for target in range(1, 6):
        counts[:, target] = rng.poisson(6 * driver)
    for target in range(6, 9):
        counts[:, target] = rng.poisson(8 / (0.3 + driver))
    adata = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    adata.var_names = [f"gene{i}" for i in range(40)]
    network = gene_network(adata, None, ["gene0", "gene20"], method, n_targets=8, n_programs=3)
    own = network.edges[network.edges["regulator"] == "gene0"].set_index("target")["sign"]
    up = {f"gene{i}" for i in range(1, 6)}
    down = {f"gene{i}" for i in range(6, 9)}
    assert up <= set(own.index) and len(down & set(own.index))
    assert (own[list(up)] == 1).all() and (own[list(down & set(own.index))] == -1).all()
    matrix = adata.varp["scmamba_network"]
    assert matrix.shape == (40, 40) and matrix[0, 1] > 0 and matrix[1, 0] == 0
    assert adata.var["scmamba_program"].notna().all()


def test_tables():
    weights = pd.DataFrame([[np.nan, -3.0, 1.0, 0.0]], ["a"], ["a", "b", "c", "d"])
    table = edge_table(weights, weights / 10, 3, signed=True)
    assert table["target"].tolist() == ["b", "c"] and table["sign"].tolist() == [-1, 1]
    known = pd.DataFrame({"regulator": ["a", "a", "x"], "target": ["b", "q", "b"]})
    (row,) = enrichment([("m", weights)], known, 1).to_dict("records")
    assert (row["n_known"], row["n_found"], row["expected"]) == (1, 1, 1 / 3)
    fisher = stats.fisher_exact([[1, 0], [0, 2]], alternative="greater")
    assert np.isclose(row["p_value"], fisher.pvalue)


def test_default_regulators_embedding_and_file(cells, tmp_path):
    network = gene_network(cells, method="embedding", n_targets=3)
    assert len(network.weights) == 39 and (network.edges["sign"] == 0).all()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    again = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert (again.varp["scmamba_network"] != cells.varp["scmamba_network"]).nnz == 0


def test_a_file_gets_what_cells_in_memory_get(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    options = {"method": "correlation", "regulators": [str(cells.var_names[0])], "n_targets": 3}
    with pytest.raises(ScmambaError, match="give output="):
        gene_network(tmp_path / "cells.h5ad", **options)
    gene_network(tmp_path / "cells.h5ad", output=tmp_path / "out.h5ad", **options)
    gene_network(cells, **options)
    written = ad.read_h5ad(tmp_path / "out.h5ad")
    assert (written.varp["scmamba_network"] != cells.varp["scmamba_network"]).nnz == 0
    assert written.var["scmamba_program"].equals(cells.var["scmamba_program"])
    assert written.uns["scmamba"]["task"] == "gene_network"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["cells.h5ad", "out.h5ad"]


WRONG = {
    "regulator": ({"regulators": ["CD3X"]}, "regulators: 'CD3X'.*near: "),
    "none": ({"regulators": []}, "regulators=.*give the name of a gene"),
    "method": ({"method": "genie"}, "method='genie'; allowed: 'knockout'"),
    "targets": ({"n_targets": 0}, "n_targets=0"),
    "programs": ({"n_programs": 1.5}, "n_programs=1.5"),
    "known": ({"known_targets": pd.DataFrame({"tf": ["a"]})}, "columns 'regulator' and 'target'"),
    "layer": ({"layer": "count"}, "count"),
    "model": ({"model": "no/such/folder"}, "no such folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_change_nothing(cells, case):
    options, message = WRONG[case]
    with pytest.raises(ScmambaError, match=message):
        gene_network(cells, **options)
    assert not cells.varp and not cells.uns and "scmamba_program" not in cells.var


def test_too_few_cells(cells):
    with pytest.raises(ScmambaError, match="needs at least 3 of both"):
        gene_network(cells[:2].copy())
