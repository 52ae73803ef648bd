"""Changes of a sequence: one piece of it gives way to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._nucleotides import reverse_complement


@dataclass(frozen=True)
class Edit:
    """The nucleotides from ``start`` to before ``stop``, from 0, give way to ``alt``."""

    start: int
    stop: int
    alt: str

    def apply(self, sequence: str) -> str:
        """``sequence`` with the change."""
        return sequence[: self.start] + self.alt + sequence[self.stop :]

    def ref(self, sequence: str) -> str:
        """Return what gives way."""
        return sequence[self.start : self.stop]

    def other_strand(self, length: int) -> Edit:
        """Return this change on the reverse complement of a sequence of ``length`` nucleotides."""
        return Edit(length - self.stop, length - self.start, reverse_complement(self.alt))


def substitutions(text: str, start: int, stop: int, alphabet: str) -> Iterator[tuple[str, Edit]]:
    """Every other letter of ``alphabet`` at each position from ``start`` to before ``stop``."""
    for i in range(start, stop):
        for letter in alphabet:
            if letter != text[i]:
                yield "substitution", Edit(i, i + 1, letter)


def deletions(
    text: str, start: int, stop: int, lengths: Sequence[int], *, fill: bool
) -> Iterator[tuple[str, Edit]]:
    """Every so many nucleotides in a row taken out, or made N where ``fill`` says so.

    Raises
    ------
    ScmambaError
        A length is below 1, beyond the region, or all of the sequence.
    """
    most = min(stop - start, len(text) - 1)
    if lengths and not most:
        raise ScmambaError("a sequence of one nucleotide has none to take out: leave out deletions")
    for length in lengths:
        if not 1 <= length <= most:
            raise ScmambaError(
                f"deletions={length}; give 1 to {most}, the region has no more nucleotides to take "
                "out"
            )
        for i in range(start, stop - length + 1):
            if fill:
                yield "gap", Edit(i, i + length, "N" * length)
            else:
                yield "deletion", Edit(i, i + length, "")


def insertions(start: int, stop: int, pieces: Sequence[str]) -> Iterator[tuple[str, Edit]]:
    """Every piece put before each position, and behind the last."""
    for i in range(start, stop + 1):
        for piece in pieces:
            yield "insertion", Edit(i, i, piece)


def cuts(text: str, start: int, stop: int) -> Iterator[tuple[str, Edit]]:
    """Return the sequence cut before each position: its 5' part lost, then its 3' part."""
    for i in range(max(start, 1), min(stop + 1, len(text))):
        yield "5' cut", Edit(0, i, "")
        yield "3' cut", Edit(i, len(text), "")
