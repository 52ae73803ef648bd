"""Layouts of nucleotide tokenizers as plain data, and those of models without a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._read import Fields
from scmamba.tokens.nucleotides.alphabet import ALPHABETS

MOST_IDS = 2**20
"""Largest number of ids in a vocabulary."""

KINDS = ("characters", "kmers", "library")
ROLES = ("pad", "mask", "unk", "bos", "sep", "cls")
_PAIRS = {"A": "TU", "C": "G", "G": "C", "T": "A", "U": "A"}


@dataclass(frozen=True)
class TokenLayout:
    """Layout of a tokenizer: everything that determines the ids of a sequence.

    Attributes
    ----------
    kind
        Kind of tokenizer: ``"characters"``, ``"kmers"`` (the longest matching token, from left to
        right) or ``"library"`` (the ``tokenizers`` library).
    tokens
        Token of each id; empty for unused ids.
    specials
        Ids of special tokens by role: pad, mask, unk, bos, sep, cls, as far as they exist.
    prefix, suffix
        Ids of the special tokens before and after a sequence.
    special_by_default
        Whether they are added by default.
    alphabet
        ``"DNA"`` or ``"RNA"``.
    padding_side
        ``"left"`` or ``"right"``.
    max_length
        Longest sequence that the model was trained on, in tokens, or None.
    library
        Text of ``tokenizer.json``, for ``kind="library"``.
    """

    kind: str
    tokens: tuple[str, ...]
    specials: dict[str, int] = field(default_factory=dict)
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()
    special_by_default: bool = False
    alphabet: str = "DNA"
    padding_side: str = "right"
    max_length: int | None = None
    library: str = ""

    def __post_init__(self) -> None:
        """Check the fields against one another."""
        for name in ("tokens", "prefix", "suffix"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _one_of("kind", self.kind, KINDS)
        _one_of("alphabet", self.alphabet, tuple(ALPHABETS))
        _one_of("padding_side", self.padding_side, ("left", "right"))
        if len(self.tokens) > MOST_IDS:
            raise ScmambaError(
                f"a tokenizer of {len(self.tokens)} ids; at most {MOST_IDS} are read"
            )
        named = [token for token in self.tokens if token]
        if len(set(named)) < len(named):
            twice = sorted(token for token, n in Counter(named).items() if n > 1)
            raise ScmambaError(
                f"a tokenizer holds each token once; {', '.join(twice[:5])} occur more often: use "
                "the file that came with the weights"
            )
        given = (*self.specials.values(), *self.prefix, *self.suffix)
        if wrong := [i for i in given if not 0 <= i < len(self.tokens)]:
            raise ScmambaError(
                f"special tokens have the ids {wrong}, but there are {len(self.tokens)} tokens; "
                "use the files that came with the weights"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entries: dict[str, Any], source: str = "the tokenizer") -> TokenLayout:
        """Make a layout from the result of :meth:`to_dict`; errors name ``source``."""
        names = {field.name for field in fields(cls)}
        if set(entries) != names:
            raise ScmambaError(
                f"{source}: a saved tokenizer has the entries {', '.join(sorted(names))}; got "
                f"{', '.join(sorted(entries))}: save the model again"
            )
        given = Fields(entries, source)
        specials = given.nested("specials")
        return cls(
            kind=given.string("kind", choices=KINDS),
            tokens=tuple(given.strings("tokens")),
            specials={role: specials.integer(role) for role in specials.content},
            prefix=tuple(given.integers("prefix")),
            suffix=tuple(given.integers("suffix")),
            special_by_default=given.boolean("special_by_default"),
            alphabet=given.string("alphabet", choices=tuple(ALPHABETS)),
            padding_side=given.string("padding_side", choices=("left", "right")),
            max_length=given.integer("max_length", low=1) if given.has("max_length") else None,
            library=given.string("library"),
        )


def complements(tokens: tuple[str, ...]) -> tuple[int, ...]:
    """Id of each token's complement (A with T or U, C with G); other tokens map to themselves."""
    ids = {token.upper(): i for i, token in enumerate(tokens) if token}
    partners = [[x for x in _PAIRS.get(token.upper(), "") if x in ids] for token in tokens]
    return tuple(ids[found[0]] if found else i for i, found in enumerate(partners))


def caduceus(
    characters: tuple[str, ...] = ("A", "C", "G", "T", "N"),
    *,
    size: int = 16,
    max_length: int | None = None,
    padding_side: str = "left",
    alphabet: str = "DNA",
) -> TokenLayout:
    """Caduceus' layout: seven special tokens, then ``characters`` from id 7, padded to ``size``.

    With special tokens, [SEP] follows a sequence. The mRNA model always adds it; Caduceus omits it
    by default, because it has no counterpart in the reverse complement.
    """
    named = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", *characters)
    return TokenLayout(
        kind="characters",
        tokens=_padded(named, size),
        specials={"cls": 0, "sep": 1, "bos": 2, "mask": 3, "pad": 4, "unk": 6},
        suffix=(1,),
        special_by_default=alphabet == "RNA",
        alphabet=alphabet,
        padding_side=padding_side,
        max_length=max_length,
    )


def mrna(size: int = 12, *, max_length: int | None = 8192) -> TokenLayout:
    """Mamba2-mRNA's layout: Caduceus' with U for T, [SEP] at the end, padding on the left."""
    letters = ("A", "C", "G", "U", "N")
    return caduceus(letters, size=size, max_length=max_length, alphabet="RNA")


def plantcad(size: int = 8, *, max_length: int | None = None) -> TokenLayout:
    """Layout of PlantCaduceus and PlantCAD2: lower case, N is [UNK], no tokens at the ends."""
    return TokenLayout(
        kind="characters",
        tokens=_padded(("[PAD]", "[MASK]", "[UNK]", "a", "c", "g", "t"), size),
        specials={"pad": 0, "mask": 1, "unk": 2},
        max_length=max_length,
    )


def benchmark(alphabet: str = "DNA", *, max_length: int | None = None) -> TokenLayout:
    """Layout of the 18-task benchmark: padding 0, then A, C, G, T (or U) and N; no mask."""
    tokens = ("[PAD]", *ALPHABETS[alphabet], "N")
    return TokenLayout(
        kind="characters",
        tokens=tokens,
        specials={"pad": 0},
        alphabet=alphabet,
        max_length=max_length,
    )


def _padded(tokens: tuple[str, ...], size: int) -> tuple[str, ...]:
    if size > MOST_IDS:
        raise ScmambaError(f"a tokenizer of {size} ids; at most {MOST_IDS} are read")
    if size < len(tokens):
        raise ScmambaError(
            f"the tokenizer knows {len(tokens)} tokens, but the weights have {size} ids; use the "
            "tokenizer file that came with the weights"
        )
    return (*tokens, *[""] * (size - len(tokens)))


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ScmambaError(f"{name}={value!r}; allowed: {', '.join(map(repr, allowed))}")
