"""The columns of a VCF file that name a variant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._genome import CODES
from scmamba.tasks.sequence._text_file import text_lines

_POSITION = re.compile(r"0*[1-9][0-9]{0,9}")
_BASES = f"[{''.join(CODES).replace('U', '')}]"
_REF = re.compile(f"{_BASES}+", re.IGNORECASE)
_ALT = re.compile(
    rf"{_BASES}+|\*|<[^<>\s]+>"
    rf"|{_BASES}*[\[\]][^\[\]\s]+[\[\]]{_BASES}*"  # a breakend, ends of it
    rf"|\.{_BASES}+|{_BASES}+\.",
    re.IGNORECASE,
)


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
        Line of the file, from 1.
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
    def known(self) -> bool:
        """Whether a nucleotide is known of what gives way, if anything does."""
        ref = self.trimmed[0]
        return not ref or bool(set(ref) & set("ACGT"))

    @property
    def trimmed(self) -> tuple[str, str, int]:
        """Both alleles without the ends they share, and the position of the rest, from 0."""
        end = len(os.path.commonprefix([self.ref[::-1], self.alt[::-1]]))
        ref, alt = self.ref[: len(self.ref) - end], self.alt[: len(self.alt) - end]
        start = len(os.path.commonprefix([ref, alt]))
        return ref[start:], alt[start:], self.pos - 1 + start

    def agrees(self, there: str) -> bool:
        """Whether the reference allele is what a genome has there.

        Where the genome has an ambiguity code, the allele may be that code, one of the nucleotides
        it stands for (the format asks for the first in the alphabet), or N.
        """
        if len(there) != len(self.ref):
            return False
        return self.ref == there or all(
            ref == code or (code not in "ACGTN" and (ref == "N" or ref in CODES.get(code, "")))
            for ref, code in zip(self.ref, there, strict=True)
        )


def read_vcf(path: str | os.PathLike[str]) -> Iterator[Variant]:
    """Variants of a plain or gzipped VCF file, one for each alternative allele; ``.`` is none.

    Raises
    ------
    ScmambaError
        The file is missing or damaged, or a line is not one of a VCF file.
    """
    for number, line in text_lines(path):
        if line.startswith("#") or not line.strip():
            continue
        fields = line.split("\t", 5)
        if len(fields) < 5 or not fields[0].strip() or not _POSITION.fullmatch(fields[1]):
            raise ScmambaError(
                f"{path}, line {number} is no VCF record: {line[:60].rstrip()!r}; give CHROM, POS "
                "(from 1), ID, REF and ALT, separated by tabs"
            )
        chrom, pos, name, ref, alts = fields[:5]
        if not _REF.fullmatch(ref):
            raise ScmambaError(
                f"{path}, line {number}: REF is {_short(ref)!r}; allowed: A, C, G, T, N and the "
                "other IUPAC codes"
            )
        for alt in alts.rstrip().split(","):
            if alt in ("", "."):
                continue
            if not _ALT.fullmatch(alt):
                raise ScmambaError(
                    f"{path}, line {number}: ALT is {_short(alt)!r}; allowed: nucleotides, '*', "
                    "a symbol such as '<DEL>', or a breakend"
                )
            yield Variant(chrom, int(pos), name, ref.upper(), alt.upper(), number)


def _short(allele: str) -> str:
    """Return an allele for people to read."""
    return allele if len(allele) <= 20 else f"{allele[:10]}...({len(allele):,} nt)"
