"""The comparison of multi-omics models: what is hidden, who takes part, what is kept."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmamba import ScmambaError, benchmark
from scmamba.benchmark import MultiomicsMethod, MultiomicsOutcome
from scmamba.benchmark._multiomics.methods.peaks import NEIGHBORS
from scmamba.benchmark._multiomics.split import MultiomicsSplit, make_split
from scmamba.datasets import synthetic
from scmamba.stream.modalities import Modalities, read_modalities


@pytest.fixture
def mods() -> dict[str, ad.AnnData]:
    rna = synthetic(80, 60, 2)
    prot = synthetic(80, 12, 2)
    prot.obs = prot.obs[[]]
    return {"rna": rna, "prot": prot}


@pytest.fixture
def data(mods: dict[str, ad.AnnData]) -> Modalities:
    return read_modalities(mods)


def _peaks(n_cells: int = 60, n_peaks: int = 300) -> ad.AnnData:
    """Peaks of which neighbors are open together."""
    rng = np.random.default_rng(0)
    blocks = rng.random((n_cells, n_peaks // 10)) < 0.3
    opened = np.repeat(blocks, 10, axis=1) & (rng.random((n_cells, n_peaks)) < 0.7)
    opened[:, 0] = True
    names = [
        f"chr1:{10_000_000 * (i // 10) + 1000 * i}-{10_000_000 * (i // 10) + 1000 * i + 500}"
        for i in range(n_peaks)
    ]
    obs = pd.DataFrame(index=[f"cell_{i}" for i in range(n_cells)])
    X = sparse.csr_matrix(opened.astype(np.float32))
    return ad.AnnData(X, obs=obs, var=pd.DataFrame(index=names))


def test_what_is_hidden(data: Modalities) -> None:
    split = make_split(data, "imputation", labels_key="cell_type", seed=1)
    assert split.target == "prot" and len(split.hidden) == int(0.3 * len(split.cells))
    assert not set(split.cells[split.hidden]) & set(split.mods["prot"].obs_names)
    rows = data.obs.index.get_indexer(split.cells[split.hidden])
    rows = data.rows("prot")[rows]
    np.testing.assert_allclose(split.truth, np.log1p(data["prot"].X[rows].toarray()), rtol=1e-6)
    assert all("cell_type" not in one.obs for one in split.mods.values())
    other = make_split(data, "imputation", seed=2)
    assert set(other.hidden) != set(split.hidden)


def test_isotype_controls_are_neither_given_nor_asked_for(mods: dict[str, ad.AnnData]) -> None:
    named = mods["prot"].copy()
    named.var_names = ["IgG1-control", *named.var_names[1:]]
    split = make_split(read_modalities({**mods, "prot": named}), "imputation", seed=1)
    plain = make_split(read_modalities(mods), "imputation", seed=1)
    assert "IgG1-control" not in split.mods["prot"].var_names
    np.testing.assert_array_equal(split.truth, plain.truth[:, 1:])


def test_a_mosaic(data: Modalities) -> None:
    split = make_split(data, "mosaic")
    n = len(split.cells)
    assert split.mods["prot"].n_obs == n - n // 2
    assert split.mods["rna"].n_obs == n - n // 4
    assert split.complete.sum() == n - n // 2 - n // 4


def test_hidden_peaks() -> None:
    peaks = _peaks()
    before = peaks.X.toarray()
    found = read_modalities({"rna": synthetic(60, 40, 2), "atac": peaks})
    split = make_split(found, "hidden peaks")
    pairs, seen = split.pairs, split.mods["atac"].X.toarray() > 0
    assert pairs is not None
    rows = peaks.obs_names.get_indexer(split.mods["atac"].obs_names)
    assert before[rows][pairs.cells, pairs.opened].all()
    assert not before[rows][pairs.cells, pairs.closed].any()
    assert not seen[pairs.cells, pairs.opened].any()
    assert len(pairs.cells) == pytest.approx(0.2 * before.sum(), rel=0.1)
    outcome = NEIGHBORS.run(split, 0)
    assert outcome.opened is not None and outcome.closed is not None
    assert outcome.opened.mean() > outcome.closed.mean() + 1


def test_runs_are_kept(mods: dict[str, ad.AnnData], tmp_path: Path) -> None:
    calls = []

    def rows(split: MultiomicsSplit, seed: int) -> MultiomicsOutcome:
        calls.append(seed)
        return MultiomicsOutcome(embedding=np.eye(80)[:, :2])

    further = {"rows": MultiomicsMethod(rows, "rows", ("embedding",))}
    methods = ["pca_rna", "second", "pca_both", "mean", "ridge", "knn", "mlp", "rows"]

    def run() -> benchmark.MultiomicsBenchmark:
        return benchmark.multiomics(
            mods,
            output=tmp_path,
            labels_key="cell_type",
            methods=methods,
            seeds=[0],
            scib=False,
            further=further,
        )

    found = run()
    assert len(found.runs) == 4 + 2 * 4 and calls == [0]
    pd.testing.assert_frame_equal(run().runs, found.runs)
    assert calls == [0]
    assert found.summary("embedding")["knn_accuracy"].iloc[0] > 0.8
    with pytest.raises(ScmambaError, match="another run"):
        benchmark.multiomics(
            {**mods, "rna": mods["rna"][:70]},
            output=tmp_path,
            methods=["mean"],
            seeds=[0],
            settings=["imputation"],
        )


def test_wrong_arguments(mods: dict[str, ad.AnnData], tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="allowed: 'embedding', 'imputation'"):
        benchmark.multiomics(mods, output=tmp_path, settings=["other"])
    with pytest.raises(ScmambaError, match="method='other'; allowed: 'scmamba', 'mean'"):
        benchmark.multiomics(mods, output=tmp_path, methods=["other"])
    with pytest.raises(ScmambaError, match="needs cells with RNA and atac"):
        benchmark.multiomics({"rna": mods["rna"]}, output=tmp_path, methods=["mean"])
    with pytest.raises(ScmambaError, match="none of the methods multivi|scvi"):
        benchmark.multiomics(mods, output=tmp_path, methods=["multivi"], seeds=[0])


@pytest.mark.parametrize("name", ["totalvi", "multivi"])
def test_peers_of_scvi_tools_embed_cells(mods: dict[str, ad.AnnData], name: str) -> None:
    pytest.importorskip("scvi")
    method = benchmark.MULTIOMICS_METHODS[name]
    second = {"atac": _peaks(80)} if name == "multivi" else {"prot": mods["prot"]}
    split = make_split(read_modalities({"rna": mods["rna"], **second}), "embedding")
    embedding = method.run(split, 0).embedding
    assert embedding is not None and len(embedding) == len(split.cells)
    assert np.isfinite(embedding).all()
