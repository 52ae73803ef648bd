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
    assert found.obs["label"].tolist() == ["1", "0"]


def test_tables_are_text(tmp_path: Path) -> None:
    text = "id,sequence,dose,when\n0012,NA,1.10,1E5\nNA,ACGT,,True\n"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = read_sequences(tmp_path / "a.csv")
    assert (found.names, found.sequences) == (("0012", "NA"), ("NA", "ACGT"))
    assert found.obs.to_dict("list") == {"dose": ["1.10", ""], "when": ["1E5", "True"]}


def test_byte_order_marks_and_line_ends_of_any_system(tmp_path: Path) -> None:
    for ending in ("\r\n", "\n", "\r"):
        (tmp_path / "a.fa").write_bytes(b"\xef\xbb\xbf" + FASTA.replace("\n", ending).encode())
        assert read_sequences(tmp_path / "a.fa").sequences == ("ACGTAC", "ggtt")


@pytest.mark.parametrize("name", ["reads.txt", "reads.fastq", "reads.seq", "reads", "a.FA.xz"])
def test_a_path_of_another_kind_is_not_read_as_letters(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("ACGT\n")
    with pytest.raises(ScmambaError, match=rf"{name} is a file of an unknown kind; give FASTA"):
        read_sequences(str(tmp_path / name))
    with pytest.raises(ScmambaError, match="looks like the path of a file"):
        read_sequences([str(tmp_path / name)])


@pytest.mark.parametrize("text", ["data/none.txt", "none.seq", "c:\\\\data"])
def test_what_looks_like_a_path_is_no_sequence(text: str) -> None:
    with pytest.raises(ScmambaError, match="looks like the path of a file"):
        read_sequences(text)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "no sequence was given"),
        (["ACGT", ""], "sequence '1' is empty"),
        (["ACGT", None], "sequence '1' is missing"),
        (pd.Series(["ACGT", np.nan], index=["a", "b"]), "sequence 'b' is missing"),
        (["ACGT", 5], "sequence '1' is '5'"),
        (["ACGT", pd.NA], "sequence '1' is missing"),
        (np.array([["A", "C"], ["G", "T"]]), r"sequence '0' is \"\['A' 'C'\]\" \(ndarray\)"),
        (5, "sequences=5 is a int; give text"),
        (b"ACGT", "is a bytes; give text"),
        (pd.DataFrame({"seq": ["A"]}), "no column 'sequence', but 'seq'"),
        (pd.DataFrame([["A", "C"]], columns=["sequence"] * 2), "has 2 columns 'sequence'"),
        ("none.fa", "there is no file none.fa"),
        (Path("none.csv"), "there is no file none.csv"),
        (Path("none.txt"), "there is no file none.txt"),
        (Path(__file__).parent, "is a folder; give a"),
        (Path("a\0.fa"), "is not the path of a file"),
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
        (b"\xff\xfe\x00>", "a.fa is UTF-16 text: save it as UTF-8"),
        (b">a\n\xff\n", "a.fa is damaged or of another format .*decode"),
        (b"\x1f\x8b\x08\x00rubbish", "a.fa is damaged"),
        (gzip.compress(b">a\nACGT\n" * 99, mtime=0)[:-9], "a.fa is damaged"),
        (b">a\nAC/GT\n", "a.fa: sequence 'a' is 'AC/GT', which looks like the path"),
    ],
)
def test_wrong_fasta_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.fa").write_bytes(text)
    with pytest.raises(ScmambaError, match=message):
        read_sequences(tmp_path / "a.fa")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "a.csv is empty"),
        (b"sequence,sequence\nA,C\n", "two columns named 'sequence'"),
        (b"sequence,b\nA,C,G\n", "a.csv cannot be read as a table: Expected 2 fields in line 2"),
        (b'sequence\n"ACGT\n', "a.csv cannot be read as a table: EOF inside string"),
        (b"sequence\nAC\0GT\n", "a.csv is no text"),
        (b"sequence;b\nACGT;1\n", "a.csv has no column 'sequence', but 'sequence;b'"),
        (b"sequence\n", "a.csv holds no sequence"),
        (b"PK\3\4", "a zip archive or an Excel workbook"),
    ],
)
def test_wrong_table_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(ScmambaError, match=message):
        read_sequences(tmp_path / "a.csv")


def test_gzip_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scmamba.tasks.sequence._text_file._FREE", 1 << 16)
    (tmp_path / "a.fa.gz").write_bytes(gzip.compress(b">a\n" + b"A" * (1 << 20)))
    with pytest.raises(ScmambaError, match="a.fa.gz: it unpacks to more than"):
        read_sequences(tmp_path / "a.fa.gz")
