"""Whatever holds sequences is read alike, and what is wrong with it is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.tasks.sequence import read_sequences

FASTA = ">one first\nACGT\nAC\n\n>two\nggtt\n"
TABLE = pd.DataFrame({"sequence": ["ACGTAC", "ggtt"], "label": [1, 0]}, index=["one", "two"])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (["ACGTAC", "ggtt"], ("0", "1")),
        (("ACGTAC", " ggtt\n"), ("0", "1")),
        (np.array(["ACGTAC", "ggtt"]), ("0", "1")),
        ((s for s in ["ACGTAC", "ggtt"]), ("0", "1")),
        ({"one": "ACGTAC", "two": "ggtt"}, ("one", "two")),
        (pd.Series(["ACGTAC", "ggtt"], index=["one", "two"]), ("one", "two")),
        (TABLE, ("one", "two")),
        (TABLE.rename(columns={"sequence": "dna"}), ("one", "two")),
    ],
    ids=["list", "tuple", "array", "iterator", "dict", "series", "table", "named column"],
)
def test_forms(source: object, names: tuple[str, ...]) -> None:
    column = "dna" if isinstance(source, pd.DataFrame) and "dna" in source else None
    found = read_sequences(source, column=column)
    assert found.sequences == ("ACGTAC", "ggtt")
    assert found.names == names
    assert found.obs.index.tolist() == list(names)


def test_one_string_is_one_sequence() -> None:
    assert read_sequences("ACGT").sequences == ("ACGT",)


def test_other_columns_are_kept_and_the_table_is_not_changed() -> None:
    before = TABLE.copy()
    assert read_sequences(TABLE).obs["label"].tolist() == [1, 0]
    pd.testing.assert_frame_equal(TABLE, before)


@pytest.mark.parametrize("name", ["a.fa", "a.fasta", "a.FNA", "a.fa.gz"])
@pytest.mark.parametrize("kind", [str, Path])
def test_fasta_files(tmp_path: Path, name: str, kind: type) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(FASTA.encode()) if name.endswith("gz") else FASTA.encode())
    found = read_sequences(kind(path))
    assert (found.names, found.sequences) == (("one", "two"), ("ACGTAC", "ggtt"))
    assert [p.name for p in tmp_path.iterdir()] == [name]  # no index is needed


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz"])
def test_table_files(tmp_path: Path, name: str) -> None:
    TABLE.rename_axis("id").to_csv(tmp_path / name, sep="\t" if "tsv" in name else ",")
    found = read_sequences(tmp_path / name)
    assert (found.names, found.sequences) == (("one", "two"), ("ACGTAC", "ggtt"))
    assert found.obs["label"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "no sequence was given"),
        (["ACGT", ""], "sequence '1' is empty"),
        (["ACGT", None], "sequence '1' is missing"),
        (pd.Series(["ACGT", np.nan], index=["a", "b"]), "sequence 'b' is missing"),
        (["ACGT", 5], "sequence '1' is 5"),
        (5, "sequences=5; give text"),
        (pd.DataFrame({"seq": ["A"]}), "no column 'sequence', but 'seq'"),
        ("none.fa", "none.fa does not exist"),
        (Path("none.csv"), "none.csv does not exist"),
        (Path("none.txt"), "none.txt is not known by its name"),
    ],
)
def test_wrong_input_is_named(source: object, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        read_sequences(source)


def test_a_column_of_what_has_none() -> None:
    with pytest.raises(ScmambaError, match="column='x' goes with"):
        read_sequences(["ACGT"], column="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"ACGT\n", "line 1: a FASTA file starts with '>name', found 'ACGT'"),
        (b">a\nACGT\n>\nAC\n", "line 3: a record needs a name"),
        (b">a\n>b\nAC\n", "sequence 'a' is empty"),
        (b"", "holds no sequence"),
        (b"\xff\xfe\x00>", "no readable text file"),
        (b"\x1f\x8b\x08\x00rubbish", "no readable text file"),
    ],
)
def test_wrong_fasta_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.fa").write_bytes(text)
    with pytest.raises(ScmambaError, match=message):
        read_sequences(tmp_path / "a.fa")


def test_wrong_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(ScmambaError, match="cannot be read as a table"):
        read_sequences(tmp_path / "a.csv")
