"""A corpus is checked before anything is trained, and holds no cell twice."""

from __future__ import annotations

import logging
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.models import preset
from scmamba.stream.batches import Shard
from scmamba.stream.corpus_copies import CellHashes, find_copies, gene_keys, hash_cells
from scmamba.stream.corpus_open import open_corpus
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.stream.corpus_views import ViewSettings
from scmamba.train import FitConfig
from scmamba.train.data.corpus import CorpusEpochs
from tests.stream.studies import GENES, study, write_studies

EASY = {"min_cells": 1, "min_genes": 1, "block_cells": 4, "buffer_blocks": 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_studies(tmp_path / "data")


def opened(folder, **settings):
    return open_corpus(folder, CorpusSettings(**{**EASY, **settings}))


def test_cells_labels_and_held_out_sets(folder: Path) -> None:
    corpus = opened(folder, held_out=("study2",), labels_key="cell_type")
    assert [one.content.name for one in corpus.files] == ["study0", "study1"]
    assert len(corpus) == 91 and len(corpus.held_out[0]) == 30
    assert corpus.labels == ("B", "T") and corpus.batches == ("study0:", "study1:")
    assert set(corpus.vocab.genes) == set(GENES)
    assert "91 cells of 2 data sets" in str(corpus)


def test_copies_are_left_out_and_held_out_cells_stay(folder: Path) -> None:
    first, held = (ad.read_h5ad(folder / f"study{i}.h5ad") for i in (0, 2))
    some = GENES[::-1][:33]  # fewer genes, in another order
    ad.concat([first[:5], held[3:9], study(8, 9)], index_unique="-")[:, some].copy().write_h5ad(
        folder / "copies.h5ad"
    )
    corpus = opened(folder, held_out=("study2",))
    rows = {one.content.name: one.rows.tolist() for one in (*corpus.files, *corpus.held_out)}
    assert rows["copies"] == list(range(11, 19)) and corpus.n_copies == 11
    assert len(rows["study0"]) == 50 and len(rows["study2"]) == 30
    assert len(opened(folder, held_out=("study2",), drop_copies=False)) == 110


def test_hashes_find_what_a_comparison_of_counts_finds() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (30, 40))
    counts[20:25] = counts[3:8]
    names = [f"g{i}" for i in range(40)]
    everything = np.ones((40, 1), bool)
    hashes, n = hash_cells(sparse.csr_matrix(counts), gene_keys(names), everything)
    (copies,) = find_copies([CellHashes(0, hashes, n)], [0])
    slow = [any((counts[i] == counts[j]).all() for j in range(i)) for i in range(30)]
    assert copies.tolist() == slow and sum(slow) == 5


def test_labels_may_be_renamed_and_partly_unknown(folder: Path) -> None:
    adata = ad.read_h5ad(folder / "study0.h5ad")
    adata.obs["cell_type"] = ["Unknown"] * 10 + adata.obs["cell_type"].tolist()[10:]
    adata.write_h5ad(folder / "study0.h5ad")
    corpus = opened(
        folder, labels_key="cell_type", label_names={"T": "T cell", "study1:B": "B cell", "B": ""}
    )
    assert corpus.labels == ("B cell", "T cell")
    assert (corpus.files[0].labels[:10] == -1).all()


def test_a_scan_is_kept_and_used_again(folder: Path, tmp_path: Path) -> None:
    settings = CorpusSettings(**EASY)
    first = open_corpus(folder, settings, cache=tmp_path / "scans")
    assert len(list((tmp_path / "scans").glob("*.npz"))) == 3
    again = open_corpus(folder, settings, cache=tmp_path / "scans")
    assert first.fingerprint() == again.fingerprint()


def log_normalized(adata: ad.AnnData) -> ad.AnnData:
    adata.X = adata.X.log1p()
    return adata


def mouse(adata: ad.AnnData) -> ad.AnnData:
    adata.var_names = [name.capitalize() for name in adata.var_names]
    return adata


def other_genes(adata: ad.AnnData) -> ad.AnnData:
    adata.var_names = [f"probe_{i}" for i in range(adata.n_vars)]
    return adata


def zeros(adata: ad.AnnData) -> ad.AnnData:
    adata.X = sparse.csr_matrix(adata.shape, dtype=np.float32)
    return adata


BAD = {
    "log-normalized": (log_normalized, "holds log1p values .*a corpus holds counts"),
    "mouse": (mouse, "has genes of mouse, the other files of human"),
    "other genes": (other_genes, "shares only 0 of its 40 genes, such as probe_0"),
    "no cells": (lambda adata: adata[:0].copy(), "bad.h5ad: .*no cells"),
    "zeros": (zeros, "holds no value above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_or_skipped(folder: Path, name: str, caplog) -> None:
    change, message = BAD[name]
    change(study(20, 7)).write_h5ad(folder / "bad.h5ad")
    with pytest.raises(ScmambaError, match=message):
        opened(folder)
    with caplog.at_level(logging.WARNING, "scmamba"):
        corpus = opened(folder, on_error="skip")
    assert corpus.skipped == ("bad",) and len(corpus) == 121


@pytest.mark.parametrize("kept", [0.4, 0.97])
def test_a_damaged_file_is_named_or_skipped(folder: Path, kept: float) -> None:
    study(60, 7).write_h5ad(folder / "bad.h5ad")
    content = (folder / "bad.h5ad").read_bytes()
    (folder / "bad.h5ad").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ScmambaError, match="bad.h5ad"):
        opened(folder)
    assert opened(folder, on_error="skip").skipped == ("bad",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"held_out": ("studyX",)}, "held_out names studyX; the data sets are study0, study1"),
        ({"dataset_weights": {"nobody": 2.0}}, "dataset_weights names nobody"),
        ({"held_out": ("study0", "study1", "study2")}, "every data set is held out"),
        ({"min_genes": 41}, "no cell is left to learn from: .* min_genes=41"),
        ({"genes": ("probe_1", "probe_2")}, "study0.h5ad: only 0 of 40 genes match"),
    ],
    ids=["held out", "weights", "all held out", "poor", "gene list"],
)
def test_settings_that_do_not_fit_are_refused(folder: Path, settings, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        opened(folder, **settings)


def test_missing_files_and_names_that_repeat(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="does not exist"):
        opened(folder / "nothing.h5ad")
    other = write_studies(tmp_path / "other", (10,))
    with pytest.raises(ScmambaError, match="several files are called study0"):
        opened([folder, other])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScmambaError, match="there are no .h5ad, .zarr, .h5mu files"):
        opened(tmp_path / "empty")


def epochs(corpus, **options) -> CorpusEpochs:
    encoder = preset("mini", n_genes=len(corpus.vocab), value_type="lognorm").encoder
    views = options.pop("views", ViewSettings(mask_low=0.3, mask_high=0.5))
    config = FitConfig(epochs=2, batch_size=options.pop("batch_size", 7))
    return CorpusEpochs(corpus, encoder, config, views, **options)


def test_an_epoch_reads_the_cells_that_are_on_disk(folder: Path) -> None:
    corpus = opened(folder, labels_key="cell_type")
    stored = [ad.read_h5ad(one.content.path) for one in corpus.files]
    offsets = np.cumsum([0, *(a.n_obs for a in stored)])
    seen = []
    for batch in epochs(corpus).epoch(0):
        for i, cell in enumerate(batch.rows.tolist()):
            file = int(np.searchsorted(offsets, cell, side="right")) - 1
            row = np.asarray(stored[file].X[cell - offsets[file]].todense()).ravel()
            expected = np.log1p(row * 1e4 / row.sum())
            ids, target = batch.gene_ids[i].numpy(), batch.target[i].numpy()
            genes = [corpus.vocab.tokens[g] for g in ids]
            place = stored[file].var_names.get_indexer(genes)
            there = place >= 0
            np.testing.assert_allclose(target[there], expected[place[there]], rtol=1e-5)
            assert set(np.flatnonzero(row)) <= set(place[there].tolist())
            hidden = batch.masked[i].numpy()
            assert (batch.values[i].numpy()[hidden] == -1).all() and hidden.any()
            name = stored[file].obs["cell_type"].iloc[cell - offsets[file]]
            assert corpus.labels[batch.labels[i]] == name
        seen += batch.rows.tolist()
    assert sorted(seen) == list(range(121))


def as_lists(batches) -> list:
    return [(b.rows.tolist(), b.gene_ids.tolist(), b.values.tolist(), b.weight) for b in batches]


@pytest.mark.parametrize("first", [0, 1, 5, 11])
def test_a_pass_that_begins_later_is_the_same(folder: Path, first: int) -> None:
    whole = epochs(opened(folder)).epoch(1)
    assert as_lists(whole.starting_at(first)) == as_lists(whole)[first:]


def test_two_processes_read_what_one_reads_with_twice_the_batch(folder: Path) -> None:
    corpus = opened(folder)
    one = list(epochs(corpus, n_streams=2, batch_size=8).epoch(0))
    halves = [
        list(epochs(corpus, n_streams=2, batch_size=4).epoch(0, Shard(rank, 2))) for rank in (0, 1)
    ]
    assert len(one) == len(halves[0]) == len(halves[1])
    for whole, left, right in zip(one, *halves, strict=True):
        assert whole.rows.tolist() == left.rows.tolist() + right.rows.tolist()
        n = left.values.shape[1]
        assert whole.values[: len(left), :n].tolist() == left.values.tolist()


def test_prompts_are_tokens_that_views_may_hold(folder: Path) -> None:
    corpus = opened(folder, prompts={"study0": ("blood", "10x"), "study1": ("gut", "")})
    tokens = ["<assay:10x>", "<tissue:blood>", "<tissue:gut>"]
    assert [t for t in corpus.vocab.tokens if ":" in t] == tokens
    always = ViewSettings(keep_prompts=1.0)
    for batch in epochs(corpus, views=always).epoch(0):
        blood = (batch.gene_ids == corpus.vocab["<tissue:blood>"]).any(1)
        assert blood.tolist() == (batch.rows < 50).tolist()
    never = ViewSettings(keep_prompts=0.0)
    for batch in epochs(corpus, views=never).epoch(0):
        assert not (batch.gene_ids == corpus.vocab["<tissue:blood>"]).any()


def test_hidden_genes_that_a_cell_lacks_are_measured_in_its_data_set(folder: Path) -> None:
    few = GENES[:22]
    study(40, 8, few).write_h5ad(folder / "few.h5ad")
    corpus = opened(folder)
    number = [one.content.name for one in corpus.files].index("few")
    start = sum(one.content.n_cells for one in corpus.files[:number])
    panel = set(corpus.files[number].panel.tolist())
    for batch in epochs(corpus).epoch(0):
        own = (batch.rows >= start) & (batch.rows < start + 40)
        zeros = batch.masked & (batch.target == 0)
        assert set(batch.gene_ids[own][zeros[own]].tolist()) <= panel


def test_zarr_reads_as_h5ad_does(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "zarr"
    other.mkdir()
    for i in range(3):
        ad.read_h5ad(folder / f"study{i}.h5ad").write_zarr(other / f"study{i}.zarr")
    batches = [as_lists(epochs(opened(where)).epoch(0)) for where in (folder, other)]
    assert batches[0] == batches[1]


def test_copies_of_excluded_cells_are_in_no_public_data_set(shared_data: Path) -> None:
    paths = [shared_data / "cells" / f"{name}.h5ad" for name in ("pbmc3k", "pbmc_4batch")]
    settings = CorpusSettings(excluded=("pbmc3k",), block_cells=64)
    corpus = open_corpus(paths, settings)
    (one,) = corpus.files
    batch = ad.read_h5ad(paths[1], backed="r").obs["batch"].astype(str).to_numpy()
    assert corpus.n_copies == 2638 and not corpus.held_out
    assert sorted(set(batch[one.rows])) == sorted(set(batch) - {"pbmc3k_10xv1"})


def test_mouse_symbols_in_upper_case_are_another_species(tmp_path: Path) -> None:
    folder = write_studies(tmp_path / "data", (40, 30))
    clones = [f"{i:07d}J{i % 10}0RIK" for i in range(12)]
    study(30, 5, [*GENES, *clones]).write_h5ad(folder / "mouse.h5ad")
    with pytest.raises(ScmambaError, match=r"mouse\.h5ad has genes of mouse"):
        opened(folder)
    assert opened(folder, on_error="skip").skipped == ("mouse",)
