"""Any bytes in a text file end in sequences, variants, or one error that names the file."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmamba import ScmambaError
from scmamba.tasks.sequence import read_sequences
from scmamba.tasks.sequence._genome import chromosomes
from scmamba.tasks.sequence._vcf import read_vcf

PIECES = (
    b">", b"s1", b"\n", b"\r\n", b"\t", b",", b'"', b"ACGT", b"NNryk", b"sequence", b"id", b"0012",
    b"NA", b"1E5", b";", b"#CHROM", b"s1\t3\t.\tA\tC\n", b"<DEL>", b"*", b"\0", b"\xff",
    b"\xef\xbb\xbf", b"\x1f\x8b\x08", b"99999999999", b"-1", b" ", b"\xc2\xb2", b".",
)  # fmt: skip
CONTENT = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=30).map(b"".join)
READERS: dict[str, Callable[[Path], Any]] = {
    "a.fa": read_sequences,
    "a.csv": read_sequences,
    "a.tsv": read_sequences,
    "a.vcf": lambda path: list(read_vcf(path)),
    "genome.fa": lambda path: list(chromosomes(path, {"s1"})),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(content=CONTENT)
def test_any_bytes(name: str, pack: Callable[[bytes], bytes], content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(pack(content))
        try:
            READERS[name](path)
        except ScmambaError as error:
            assert str(path) in str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.text("ACGTNacgtn", min_size=1, max_size=40), min_size=1, max_size=5))
def test_tables_and_fasta_give_back_what_was_written(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table, fasta = Path(folder) / "a.csv", Path(folder) / "a.fa"
        rows = "".join(f"00{i},{text}\n" for i, text in enumerate(texts))
        table.write_text("id,sequence\n" + rows)
        fasta.write_text("".join(f">00{i} x\n{text}\n" for i, text in enumerate(texts)))
        for path in (table, fasta):
            found = read_sequences(path)
            assert found.sequences == tuple(texts)
            assert found.names == tuple(f"00{i}" for i in range(len(texts)))
