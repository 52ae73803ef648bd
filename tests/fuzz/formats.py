"""Every format that is read: how a tiny file of it is made, and which call reads it."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
import torch

import scmamba
from scmamba.stream.groups import open_group
from scmamba.tasks import sequence
from scmamba.tokens import NucleotideTokenizer, Vocab

GENES = [f"GENE{i}" for i in range(30)]
SHARED = Path(
    os.environ.get("SCMAMBA_SHARED", Path(__file__).resolve().parents[2].parent / "shared")
)


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes
    ----------
    name
        What the table calls it.
    path
        The file or folder that is damaged, below the folder of all formats.
    call
        Reads a copy of that folder; gives arrays or text.
    sealed
        Whether damage must be noticed: any other answer than the right one is a fault.
    """

    name: str
    path: str
    call: Callable[[Path], Any]
    sealed: bool = False


def make_formats(folder: Path, *, slow: bool = True) -> list[Format]:
    """Make one tiny file of each kind in ``folder``.

    Parameters
    ----------
    slow
        With saved annotators, integrators and predictors, which are fitted first.
    """
    scmamba.settings.verbosity = "error"
    scmamba.settings.device = "cpu"
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layer": 1, "d_state": 4, "headdim": 8}
    vocab = Vocab(GENES)
    model = scmamba.models.CellModel(
        scmamba.models.preset("mini", n_genes=len(vocab), pool_heads=2, **sizes)
    )
    model.vocab = vocab
    scmamba.models.save(model.eval(), folder / "cell_model")
    config = scmamba.models.SequenceConfig(16, direction="causal", pad_id=4, **sizes)
    language = scmamba.models.SequenceModel(config, NucleotideTokenizer.caduceus()).eval()
    scmamba.models.save(language, folder / "sequence_model")
    cells = _cells()
    formats = [
        *_cell_formats(folder, cells),
        *_sequence_formats(folder),
        *_model_formats(folder),
        *_archives(folder),
    ]
    return [*formats, *_fitted(folder, cells)] if slow else formats


def _cells() -> ad.AnnData:
    rng = np.random.default_rng(0)
    kind = np.arange(60) % 3
    rate = np.full((60, len(GENES)), 0.3)
    for k in range(3):
        rate[kind == k, k * 10 : (k + 1) * 10] += 4
    obs = pd.DataFrame(
        {
            "label": np.array(["T", "B", "NK"])[kind],
            "batch": np.array(["x", "y"])[rng.integers(2, size=60)],
        },
        index=[f"c{i}" for i in range(60)],
    )
    counts = sp.csr_matrix(rng.poisson(rate).astype(np.float32))
    return ad.AnnData(counts, obs, pd.DataFrame(index=GENES))


def _cell_formats(folder: Path, cells: ad.AnnData) -> Iterator[Format]:
    def embedded(path: str) -> Callable[[Path], Any]:
        def call(here: Path) -> Any:
            stored = path.endswith(".zarr")
            out = here / ("out.zarr" if stored else "out.h5ad")
            scmamba.tasks.embed(here / path, here / "cell_model", output=out)
            with open_group(out) as group:
                return group["obsm/X_scmamba"][()]

        return call

    few = cells[:12].copy()
    few.write_h5ad(folder / "sparse.h5ad")
    dense = few.copy()
    dense.X = dense.X.toarray()
    dense.write_h5ad(folder / "dense.h5ad")
    few.write_zarr(folder / "cells.zarr")
    for path in ("sparse.h5ad", "dense.h5ad", "cells.zarr"):
        yield Format(path, path, embedded(path))
    _write_10x(folder / "tenx.h5", few)
    yield Format("10x .h5", "tenx.h5", embedded("tenx.h5"))
    (folder / "mtx").mkdir()
    scipy.io.mmwrite(folder / "mtx" / "matrix.mtx", few.X.T.astype(np.int32))
    (folder / "mtx" / "features.tsv").write_text(
        "".join(f"{g}\t{g}\tGene Expression\n" for g in GENES)
    )
    (folder / "mtx" / "barcodes.tsv").write_text("".join(f"{c}\n" for c in few.obs_names))
    for file in list((folder / "mtx").iterdir()):
        Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        file.unlink()
    yield Format("10x mtx folder", "mtx", embedded("mtx"))
    try:
        import mudata
    except ImportError:
        return
    mudata.MuData({"rna": few}).write(folder / "cells.h5mu")
    yield Format(".h5mu", "cells.h5mu", embedded("cells.h5mu"))


def _write_10x(path: Path, cells: ad.AnnData) -> None:
    by_gene = sp.csc_matrix(cells.X.T.astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(cells.obs_names, dtype="S")
        group["data"], group["indices"] = by_gene.data, by_gene.indices
        group["indptr"], group["shape"] = by_gene.indptr, by_gene.shape
        features = group.create_group("features")
        features["id"] = features["name"] = np.array(GENES, dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * len(GENES), dtype="S")
        features["genome"] = np.array(["GRCh38"] * len(GENES), dtype="S")


def _sequence_formats(folder: Path) -> Iterator[Format]:
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("ACGT"), n)) for n in (40, 70, 55)]
    fasta = "".join(f">s{i} of three\n{t[:30]}\n{t[30:]}\n" for i, t in enumerate(texts))
    (folder / "in.fa").write_text(fasta)
    (folder / "in.fa.gz").write_bytes(gzip.compress(fasta.encode(), mtime=0))
    table = "id,sequence,dose\n" + "".join(f"00{i},{t},1.{i}0\n" for i, t in enumerate(texts))
    (folder / "in.csv").write_text(table)
    (folder / "in.tsv").write_text(table.replace(",", "\t"))
    (folder / "in.csv.gz").write_bytes(gzip.compress(table.encode(), mtime=0))
    vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\n" + "".join(
        f"s{i}\t{p}\t.\t{texts[i][p - 1]}\tA,C,<DEL>\t.\n" for i in range(3) for p in (5, 30)
    )
    (folder / "in.vcf").write_text(vcf)
    (folder / "in.vcf.gz").write_bytes(gzip.compress(vcf.encode(), mtime=0))
    (folder / "genome.fa").write_text(fasta)
    (folder / "genome.fa.fai").write_text("s0\t40\t13\t30\t31\ns1\t70\t68\t30\t31\n")
    (folder / "packed.fa.gz").write_bytes(gzip.compress(fasta.encode(), mtime=0))
    (folder / "score.yaml").write_text(
        "input: in.fa\nmodel: sequence_model\noutput: scores.csv\nper_token: false\n"
    )

    def scored(path: str) -> Callable[[Path], Any]:
        return lambda here: sequence.score(here / path, here / "sequence_model").to_csv()

    def effects(vcf: str, genome: str) -> Callable[[Path], Any]:
        return lambda here: sequence.variant_effects(
            here / vcf, here / genome, here / "sequence_model", window=32
        ).to_csv()

    for path in ("in.fa", "in.fa.gz", "in.csv", "in.tsv", "in.csv.gz"):
        yield Format(path.replace("in.", "."), path, scored(path))
    for path in ("in.vcf", "in.vcf.gz"):
        yield Format(path.replace("in.", "."), path, effects(path, "genome.fa"))
    yield Format("genome .fa", "genome.fa", effects("in.vcf", "genome.fa"))
    yield Format("genome .fa.gz", "packed.fa.gz", effects("in.vcf", "packed.fa.gz"))
    yield Format("genome .fai", "genome.fa.fai", effects("in.vcf", "genome.fa"), sealed=True)
    yield Format("YAML of a command", "score.yaml", _command)


def _command(here: Path) -> Any:
    """Run a command on its YAML file; its message becomes the error it was made from."""
    import contextlib
    import io

    from scmamba.cli.main import main

    os.chdir(here)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(["score", "--config", "score.yaml"])
        except SystemExit as stop:  # the parser's way to refuse options
            code = int(stop.code or 0)
    if code == 2 and said.getvalue():  # options are named, and not the file that held them
        raise scmamba.ScmambaError(f"score.yaml: {said.getvalue()}")
    if code:
        raise RuntimeError(f"exit {code}: {said.getvalue()[-500:]}")
    found = here / "scores.csv"
    return found.read_text() if found.exists() else "written elsewhere"


def _state(model: Any) -> Any:
    return [value.numpy() for _, value in sorted(model.state_dict().items())]


def _model_formats(folder: Path) -> Iterator[Format]:
    def loaded(path: str) -> Callable[[Path], Any]:
        return lambda here: _state(scmamba.models.load(here / path))

    yield Format("cell model", "cell_model", loaded("cell_model"), sealed=True)
    yield Format("sequence model", "sequence_model", loaded("sequence_model"), sealed=True)
    if not (SHARED / "golden").is_dir():
        return
    for source in sorted((SHARED / "golden").iterdir()):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, copy_function=shutil.copyfile)
            (folder / source.name / "expected.npz").unlink(missing_ok=True)
            yield Format(f"published {source.name}", source.name, loaded(source.name))


def _archives(folder: Path) -> Iterator[Format]:
    from scmamba.models.hub.unpack import unpack

    files = {"a/config.json": b"{}", "a/weights.bin": bytes(3000), "readme.txt": b"text" * 50}
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    for name, content in files.items():
        (folder / "packed" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "packed" / name).write_bytes(content)
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
        with tarfile.open(folder / name, mode) as archive:
            for member in files:
                archive.add(folder / "packed" / member, member)

    def unpacked(name: str) -> Callable[[Path], Any]:
        def call(here: Path) -> Any:
            (here / "to").mkdir()
            found = unpack(here / name, here / "to")
            out = [p for p in found if not p.resolve().is_relative_to((here / "to").resolve())]
            if out or any(p.is_symlink() for p in (here / "to").rglob("*")):
                raise RuntimeError(f"written outside, or a link: {out}")
            return [f"{p.name} {len(p.read_bytes())}" for p in sorted(found)]

        return call

    for name in ("a.zip", "a.tar", "a.tar.gz"):
        yield Format(f"archive {name[1:]}", name, unpacked(name))


def _fitted(folder: Path, cells: ad.AnnData) -> Iterator[Format]:
    """Artifacts that were fitted; each is read and used on the cells it was fitted to."""
    known = cells.copy()
    known.obs.loc[known.obs_names[50:], "label"] = None
    annotator = scmamba.tasks.annotate(known, labels_key="label", n_top_genes=20)
    annotator.save(folder / "annotator")
    integrator = scmamba.tasks.integrate(cells.copy(), "batch", n_top_genes=20)
    integrator.save(folder / "integrator")
    rng = np.random.default_rng(2)
    texts = [
        "".join(rng.choice(list("ACGT"), 20, p=p))
        for p in ([0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]) * 20
    ]
    predictor = sequence.fit(texts, ["at", "gc"] * 20, epochs=1, n_members=1)
    predictor.save(folder / "predictor")
    cells.write_h5ad(folder / "all.h5ad")

    def annotate(here: Path) -> Any:
        data = ad.read_h5ad(here / "all.h5ad")
        scmamba.tasks.annotate(data, model=here / "annotator")
        return data.obs["scmamba_confidence"].to_numpy()

    def integrate(here: Path) -> Any:
        data = ad.read_h5ad(here / "all.h5ad")
        scmamba.tasks.integrate(data, "batch", model=here / "integrator")
        return data.obsm["X_scmamba"]

    def predict(here: Path) -> Any:
        return sequence.load(here / "predictor").predict_proba(texts[:4]).to_csv()

    yield Format("annotator", "annotator", annotate, sealed=True)
    yield Format("integrator", "integrator", integrate, sealed=True)
    yield Format("predictor", "predictor", predict, sealed=True)
