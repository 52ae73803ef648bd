"""Checks of nucleotide sequences: allowed characters, case, and T versus U."""

from __future__ import annotations

from scmamba._errors import ScmambaError

ALPHABETS = {"DNA": "ACGT", "RNA": "ACGU"}
_OTHER = {"DNA": "U", "RNA": "T"}


def clean(sequence: str, alphabet: str, where: str = "the sequence") -> str:
    """Return ``sequence`` in upper case, checked to hold only ``ACGTN`` (DNA) or ``ACGUN`` (RNA).

    RNA models read T as U, as published. DNA models refuse U, because they were trained on DNA
    alone.

    Parameters
    ----------
    sequence
        Nucleotides in upper or lower case.
    alphabet
        ``"DNA"`` or ``"RNA"``.
    where
        Name of the sequence in errors.

    Raises
    ------
    ScmambaError
        If it is not a string, is empty, or holds another character; the message gives the first
        such character and its position, counted from 1.
    """
    if not isinstance(sequence, str):
        raise ScmambaError(
            f"{where} is a {type(sequence).__name__}; give a string of {_spelled(alphabet)}"
        )
    if not sequence:
        raise ScmambaError(
            f"{where} is empty; give at least one nucleotide or leave the sequence out"
        )
    upper = sequence.upper()
    if alphabet == "RNA":
        upper = upper.replace("T", "U")
    known = ALPHABETS[alphabet] + "N"
    if upper.isascii() and not upper.encode().translate(None, delete=known.encode()):
        return upper
    read = known + ("T" if alphabet == "RNA" else "")
    first = next(i for i, letter in enumerate(sequence) if letter.upper() not in tuple(read))
    raise ScmambaError(_refusal(sequence[first], first, len(sequence), alphabet, where))


def _refusal(letter: str, index: int, length: int, alphabet: str, where: str) -> str:
    text = f"{where} holds {letter!r} at position {index + 1} of {length}"
    if letter.upper() == _OTHER[alphabet]:
        return f'{text}, but this model reads {alphabet}; give sequence.replace("U", "T")'
    return f"{text}; allowed: {_spelled(alphabet)}, in either case. Write unknown nucleotides as N"


def _spelled(alphabet: str) -> str:
    return ", ".join(ALPHABETS[alphabet] + "N")
