"""Commands on DNA and RNA, from file to file, with models that take a moment."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

from scmamba.cli import main as frame
from scmamba.cli.main import main
from scmamba.models import SequenceModel, save
from scmamba.tasks import sequence

COMMANDS = {
    "embed-sequences": sequence.embed,
    "score": sequence.score,
    "conservation": sequence.conservation,
    "mutagenesis": sequence.mutagenesis,
    "variant-effects": sequence.variant_effects,
    "generate": sequence.generate,
    "pretrain-sequences": sequence.pretrain,
    "fit-sequences": sequence.fit,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a causal and a bidirectional model."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    sizes = {"d_model": 8, "n_layer": 1, "d_state": 4}
    save(SequenceModel.from_preset("nt-mamba", **sizes), folder / "causal")
    save(SequenceModel.from_preset("bimamba2", **sizes, headdim=8), folder / "both")
    return folder


@pytest.fixture
def folder(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder with seqs.fa, seqs.csv, genome.fa, calls.vcf, causal/ and both/."""
    monkeypatch.chdir(tmp_path)
    for name in ("causal", "both"):
        (tmp_path / name).symlink_to(models / name)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 12)) for _ in range(6)]
    Path("seqs.fa").write_text("".join(f">s{i}\n{text}\n" for i, text in enumerate(texts)))
    table = pd.DataFrame(
        {"name": [f"s{i}" for i in range(6)], "dna": texts, "kind": list("xyxyxy")}
    )
    table.to_csv("seqs.csv", index=False)
    Path("twice.fa").write_text(">a\nAC\n>a\nGT\n")
    Path("genome.fa").write_text(">c\nACGTACGTACGTACGT\n")
    Path("calls.vcf").write_text("#CHROM\nc\t5\t.\tA\tC,G\nc\t9\t.\tAC\tA\n")
    return tmp_path


def run(line: str) -> int:
    return main([*shlex.split(line), "--device", "cpu", "--verbosity", "error"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_of_the_task_is_an_option(name: str) -> None:
    module = name.replace("-", "_")
    command = getattr(__import__(f"scmamba.cli.{module}", fromlist=[module]), module)
    assert command.__doc__
    defaults = vars(frame._parser(name, command).get_defaults())
    for parameter in list(inspect.signature(COMMANDS[name]).parameters.values())[1:]:
        assert parameter.name in defaults
        if parameter.default is not parameter.empty:
            assert defaults[parameter.name] == parameter.default


def test_embeddings_with_a_picture(folder: Path) -> None:
    line = "embed-sequences seqs.csv --column dna --model both --output e.h5ad --pooling max"
    assert run(f"{line} --umap umap.png --color kind --key_added mine") == 0
    found = ad.read_h5ad("e.h5ad")
    expected = sequence.embed("seqs.fa", folder / "both", pooling="max").obsm["X_scmamba"]
    np.testing.assert_array_equal(found.obsm["X_mine"], expected)
    assert found.obs["kind"].tolist() == list("xyxyxy")
    assert Path("umap.png").stat().st_size > 1000


def test_an_embedding_for_each_nucleotide(folder: Path) -> None:
    assert run("embed-sequences seqs.fa --model causal --output e.npz --pooling null") == 0
    expected = sequence.embed("seqs.fa", folder / "causal", pooling=None)
    found = np.load("e.npz")
    assert found.files == [f"s{i}" for i in range(6)]
    for name, rows in zip(found.files, expected, strict=True):
        np.testing.assert_array_equal(found[name], rows)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_scores(folder: Path, suffix: str) -> None:
    assert run(f"score seqs.fa --model causal --output s.{suffix}") == 0
    found = pd.read_csv(f"s.{suffix}", sep="\t" if suffix == "tsv" else ",", index_col="name")
    pd.testing.assert_frame_equal(found, sequence.score("seqs.fa", folder / "causal"))
    assert run("score ACGTA --model causal --output t.csv --per_token true") == 0
    assert pd.read_csv("t.csv")["text"].tolist() == list("ACGTA")


def test_conservation_with_a_logo(folder: Path) -> None:
    assert run("conservation seqs.fa --model causal --output c.csv --logo c.png") == 0
    found = pd.read_csv("c.csv")
    assert len(found) == 72
    assert found["reference_probability"].between(0, 1).all()
    assert Path("c.png").stat().st_size > 1000


def test_mutagenesis_from_a_yaml_file(folder: Path) -> None:
    Path("m.yaml").write_text(
        "input: seqs.fa\nrecord: s2\nmodel: causal\noutput: m.csv\nstart: 2\nstop: 6\n"
        "deletions: [1, 2]\ninsertions: GG\ncuts: true\nheatmap: m.png\nlogo: l.svg\n"
    )
    assert run("mutagenesis --config m.yaml --stop 5") == 0
    found = pd.read_csv("m.csv", keep_default_na=False)
    expected = sequence.mutagenesis(
        sequence.read_sequences("seqs.fa").sequences[2],
        folder / "causal",
        start=2,
        stop=5,
        deletions=(1, 2),
        insertions="GG",
        cuts=True,
    )
    assert found["kind"].tolist() == expected["kind"].tolist()
    assert found["alt"].tolist() == expected["alt"].tolist()
    np.testing.assert_allclose(found["change"], expected["change"], atol=1e-6)
    assert Path("m.png").stat().st_size > 1000
    assert "svg" in Path("l.svg").read_text()


def test_the_example_of_a_yaml_file_holds_options_that_exist() -> None:
    from scmamba.cli.mutagenesis import mutagenesis

    example = Path(__file__).parents[2] / "tutorials" / "mutagenesis.yaml"
    parser = frame._parser("mutagenesis", mutagenesis)
    chosen = parser.parse_args(["--config", str(example)])
    assert (chosen.start, chosen.deletions, chosen.record) == (100, [1, 3], "gene1")


def test_variants(folder: Path) -> None:
    assert run("variant-effects calls.vcf --fasta genome.fa --model causal --output v.tsv") == 0
    found = pd.read_csv("v.tsv", sep="\t")
    assert found["alt"].tolist() == ["C", "G", "A"]
    assert found["llr"].notna().all()


@pytest.mark.parametrize("suffix", ["fa", "csv"])
def test_generated_sequences_can_be_read_again(folder: Path, suffix: str) -> None:
    line = "generate ACGT --model causal --length 90 --n_samples 3 --seed 4"
    assert run(f"{line} --output g.{suffix}") == 0
    expected = sequence.generate("ACGT", folder / "causal", length=90, n_samples=3, seed=4)
    found = sequence.read_sequences(f"g.{suffix}")
    assert list(found.sequences) == expected["sequence"].tolist()
    assert list(found.names) == expected.index.tolist()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("score none.fa --model causal --output s.csv", "there is no file none.fa"),
        ("score seqs.fa --model causal --output s.txt", "end its name with .csv, .tsv"),
        ("score seqs.fa --model causal --output no/s.csv", "no does not exist; make it"),
        ("score seqs.fa --model nope --output s.csv", "'nope' is neither a folder"),
        ("score ACXGT --model causal --output s.csv", "'X' at position 3"),
        ("generate ACGT --model both --length 3 --output g.fa", "reads both directions"),
        ("mutagenesis seqs.fa --model causal --output m.csv", "holds 6 sequences"),
        ("mutagenesis seqs.fa --record s9 --model causal --output m.csv", "name the one to change"),
        ("embed-sequences seqs.fa --model both --output e.csv", "end its name with .h5ad"),
        (
            "embed-sequences seqs.fa --model both --output e.h5ad --color x",
            "--color x is no column",
        ),
        (
            "embed-sequences seqs.fa --model both --output e.npz --pooling null --umap u.png",
            "needs pooled embeddings",
        ),
        (
            "variant-effects none.vcf --fasta genome.fa --model both --output v.csv",
            "no file none.vcf",
        ),
    ],
)
def test_wrong_inputs_write_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    before = {path.name for path in folder.iterdir()}
    assert run(line) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert {path.name for path in folder.iterdir()} - {"genome.fa.fai"} == before
