"""Genomes by place: the index is made, renewed, or kept elsewhere; what is wrong is named."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest

from scmamba import ScmambaError, settings
from scmamba.tasks.sequence import _fasta
from scmamba.tasks.sequence._fasta import open_genome


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_text(">chr1 first\nACGTACGTAC\nGGG\n>chr2\nTTTTT\n")
    return path


def test_pieces_by_place_and_an_index_beside(genome: Path) -> None:
    with open_genome(genome) as found:
        assert str(found["chr1"][8:12]) == "ACGG"
        assert len(found["chr2"]) == 5
    assert Path(f"{genome}.fai").is_file()


def test_pieces_of_a_bgzipped_genome(genome: Path, tmp_path: Path) -> None:
    from Bio import bgzf

    packed = tmp_path / "genome.fa.gz"
    with bgzf.open(packed, "wt") as file:
        file.write(genome.read_text())
    with open_genome(packed) as found:
        assert str(found["chr1"][8:12]) == "ACGG"


def test_a_changed_file_gets_a_new_index(genome: Path) -> None:
    open_genome(genome).close()
    genome.write_text(">chr3\nCCCC\n")
    later = time.time() + 5
    os.utime(genome, (later, later))
    with open_genome(genome) as found:
        assert list(found.keys()) == ["chr3"]


def test_an_index_that_cannot_stand_beside_is_kept_in_the_cache(
    genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr(settings, "cache_dir", cache)
    monkeypatch.setattr(_fasta.os, "access", lambda path, mode: False)
    for _ in range(2):
        with open_genome(genome) as found:
            assert str(found["chr2"][:2]) == "TT"
    assert not Path(f"{genome}.fai").exists()
    assert len(list((cache / "fasta").iterdir())) == 1


def test_an_index_that_can_be_written_nowhere_is_told(
    genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "file")
    monkeypatch.setattr(_fasta.os, "access", lambda path, mode: False)
    with pytest.raises(ScmambaError, match="cannot be indexed .* that you may write"):
        open_genome(genome)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"ACGT\n", "cannot be indexed"),
        (b">a\nACGT\n>a\nAC\n", "cannot be indexed .*Duplicate"),
        (b">a\nACGT\nA\nACGT\n", "cannot be indexed .*Line length"),
        (gzip.compress(b">a\nACGT\n", mtime=0), "unpack it with gunzip"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "a.fa").write_bytes(text)
    with pytest.raises(ScmambaError, match=message):
        open_genome(tmp_path / "a.fa")
    with pytest.raises(ScmambaError, match="none.fa does not exist"):
        open_genome(tmp_path / "none.fa")


def test_without_pyfaidx_the_way_to_it_is_told(
    genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyfaidx", None)
    with pytest.raises(ScmambaError, match=r"pip install 'scmamba\[sequence\]'"):
        open_genome(genome)
