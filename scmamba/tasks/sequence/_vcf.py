"""The columns of a VCF file that name a variant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._fasta import text_lines


@dataclass(frozen=True)
class Variant:
    """One alternative allele of a record.

    Attributes
    ----------
    chrom, pos, id
        As in the file; ``pos`` counts from 1, at the first nucleotide of ``ref``.
    ref, alt
        Alleles in upper case.
    line
        Of the file, from 1.
    """

    chrom: str
    pos: int
    id: str
    ref: str
    alt: str
    line: int

    def __str__(self) -> str:
        ref, alt = _short(self.ref), _short(self.alt)
        return f"{self.chrom}:{self.pos} {ref}>{alt} (line {self.line})"

    @property
    def spelled(self) -> bool:
        """Whether the alternative is a sequence: not ``<DEL>``, ``*`` or a breakend."""
        return set(self.alt) <= set("ACGTN")

    @property
    def trimmed(self) -> tuple[str, str, int]:
        """Both alleles without what they begin and end with alike, and their place from 0."""
        ref, alt, first = self.ref, self.alt, self.pos - 1
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref and alt and ref[0] == alt[0]:
            ref, alt, first = ref[1:], alt[1:], first + 1
        return ref, alt, first


def read_vcf(path: Path) -> Iterator[Variant]:
    """Variants of a plain or gzipped VCF file, one for each alternative allele; ``.`` is none.

    Raises
    ------
    ScmambaError
        The file is missing, or a line is not one of a VCF file.
    """
    for number, line in text_lines(path):
        if line.startswith("#") or not line.strip():
            continue
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) < 5 or not fields[1].isdigit() or int(fields[1]) < 1:
            raise ScmambaError(
                f"{path}, line {number} is no VCF record: {line[:60].rstrip()!r}; give CHROM, POS "
                "(from 1), ID, REF and ALT, separated by tabs"
            )
        chrom, pos, name, ref, alts = fields[:5]
        if not ref or not set(ref.upper()) <= set("ACGTN"):
            raise ScmambaError(
                f"{path}, line {number}: REF is {ref!r}; it is spelled with A, C, G, T and N"
            )
        for alt in alts.split(","):
            if alt not in ("", "."):
                yield Variant(chrom, int(pos), name, ref.upper(), alt.upper(), number)


def _short(allele: str) -> str:
    """An allele for people to read."""
    return allele if len(allele) <= 20 else f"{allele[:10]}...({len(allele):,} nt)"
