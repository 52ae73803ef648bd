"""Genomes by chromosome: whatever stands in the file now, and what is wrong with it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scmamba import ScmambaError
from scmamba.tasks.sequence import _genome
from scmamba.tasks.sequence._genome import chromosomes

TEXT = ">chr1 first\nACGTacgtRy\nGGG\n>chr2\nTTTTT\n\n>chr3\n"
EXPECTED = [("chr1", "ACGTACGTRYGGG"), ("chr2", None), ("chr3", "")]


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n; a comment\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_wanted_chromosomes(tmp_path: Path, monkeypatch, block, ending, mark, pack) -> None:
    monkeypatch.setattr(_genome, "_BLOCK", block)
    path = tmp_path / "genome.fa"
    path.write_bytes(pack(mark + TEXT.replace("\n", ending).encode()))
    assert list(chromosomes(path, ["chr1", "chr3", "other"])) == EXPECTED
    assert [p.name for p in tmp_path.iterdir()] == ["genome.fa"]  # no index is written


def test_lines_of_any_length_and_headers_within_lines(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_text(">a > b >c\nAC\nGTACGT\nA\n\n  CC\n>b\nT")
    assert dict(chromosomes(path, "ab")) == {"a": "ACGTACGTACC", "b": "T"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "holds no sequence"),
        (b"ACGT\n", "starts with '>name', found 'ACGT'"),
        (b">a\nACGT\n>a\nAC\n", "two sequences named 'a'"),
        (b">a\nACGT\n>\nAC\n", "a record needs a name"),
        (b">a\nACXGT\n", "sequence 'a' holds 'X'"),
        (gzip.compress(b">a\nACGT\n" * 50, mtime=0)[:-12], "is damaged"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.fa").write_bytes(text)
    with pytest.raises(ScmambaError, match=message) as caught:
        list(chromosomes(tmp_path / "a.fa", ["a"]))
    assert str(tmp_path / "a.fa") in str(caught.value)


def test_what_is_not_wanted_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\nACGT\n>b\n!\n>b\n?\n")
    assert list(chromosomes(tmp_path / "a.fa", ["a"])) == [("a", "ACGT"), ("b", None), ("b", None)]
