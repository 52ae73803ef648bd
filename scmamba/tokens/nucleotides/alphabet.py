"""Characters of a sequence checked, brought to one case, and T and U told apart."""

from __future__ import annotations

from scmamba._errors import ScmambaError

ALPHABETS = {"DNA": "ACGT", "RNA": "ACGU"}
_OTHER = {"DNA": "U", "RNA": "T"}


def clean(sequence: str, alphabet: str, where: str = "the sequence") -> str:
    """``sequence`` in upper case, of ``ACGTN`` (DNA) or ``ACGUN`` (RNA) alone.

    RNA models read T as U, as published. A DNA model does not read U: DNA and RNA were not
    mixed in what it learned from.

    Parameters
    ----------
    sequence
        Of any case.
    alphabet
        ``"DNA"`` or ``"RNA"``.
    where
        What to call the sequence in errors.

    Raises
    ------
    ScmambaError
        It is no string, it is empty, or it holds another character: the first is named with its
        position (from 1).
    """
    if not isinstance(sequence, str):
        raise ScmambaError(
            f"{where} is a {type(sequence).__name__}; give a string of {_spelled(alphabet)}"
        )
    if not sequence:
        raise ScmambaError(f"{where} is empty; give at least one nucleotide or leave it out")
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
    return f"{text}; allowed: {_spelled(alphabet)}, in either case. Write what is unknown as N"


def _spelled(alphabet: str) -> str:
    return ", ".join(ALPHABETS[alphabet] + "N")
