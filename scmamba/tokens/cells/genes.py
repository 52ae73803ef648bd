"""Matching of gene names to the genes of a vocabulary: symbols, Ensembl ids, aliases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba.tokens.cells.affixes import strip_affixes
from scmamba.tokens.cells.gene_table import (
    AMBIGUOUS,
    ensembl_number,
    fold,
    human_genes,
    unique,
)
from scmamba.tokens.cells.species import looks_like_mouse, ortholog_advice, species_hint
from scmamba.tokens.cells.vocab import SPECIAL

WAYS = ("exact", "ensembl", "case", "previous_or_alias")  # the best first


@dataclass(frozen=True, repr=False)
class GeneMatch(Described):
    """Result of matching gene names to target genes.

    Attributes
    ----------
    index
        Position of each name's target, -1 where there is none; int64, shape (n_names,).
    how
        Number of names matched in each way: ``exact``; ``ensembl`` (by Ensembl id, with or without
        version); ``case`` (up to case, or ``.`` and ``_`` in place of ``-``);
        ``previous_or_alias``.
    n_names, n_matched
        Number of names, and number of names with a target.
    n_shadowed
        Number of names left out because a better match of the same target is present.
    missing
        Names without a target, in the order given.
    n_targets
        Number of targets that are genes.
    fraction
        Number of distinct targets found over the smaller of the numbers of names and of targets, in
        [0, 1].
    species_hint
        Species that most names seem to come from, such as ``"mouse"``, where it is not human.
    examples
        A few targets, for error messages.
    affix
        Prefix or suffix removed from the names before matching, such as ``"prefix 'GRCh38_'"``.

    Examples
    --------
    >>> from scmamba.tokens import resolve
    >>> match = resolve(["CD3E", "ENSG00000105374", "unheard_of"], ["NKG7", "CD3E"])
    >>> match.n_matched, match.missing
    (2, ('unheard_of',))
    """

    index: npt.NDArray[np.int64]
    how: dict[str, int]
    n_names: int
    n_matched: int
    n_shadowed: int
    missing: tuple[str, ...]
    n_targets: int
    fraction: float
    species_hint: str | None
    examples: tuple[str, ...]
    affix: str = ""

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        return self.report(), {}

    def report(self) -> str:
        """Return one line: number of genes matched, in which ways, and some that did not match."""
        ways = ", ".join(f"{way.replace('_', ' ')} {n:,}" for way, n in self.how.items() if n)
        text = f"{self.n_matched:,} of {self.n_names:,} genes matched"
        text += f" ({ways})" if ways else ""
        text += f", {self.affix} removed" if self.affix else ""
        if self.n_shadowed:
            text += f"; {self.n_shadowed:,} left out, as another name matches the same gene better"
        if self.missing:
            text += f"; {len(self.missing):,} unknown, such as {_some(self.missing)}"
        return text

    def require(self, fraction: float = 0.5) -> GeneMatch:
        """Return this match, or raise an error where less than ``fraction`` of the genes matched.

        Raises
        ------
        ScmambaError
            If too few genes match; the message shows names, targets and a remedy.
        """
        if self.fraction >= fraction and self.n_matched:
            return self
        if self.species_hint:
            advice = ortholog_advice(self.species_hint)
        else:
            advice = (
                "allowed: symbols or Ensembl ids of human genes; if a column of adata.var holds "
                "them, pass its name as gene_key"
            )
        raise ScmambaError(
            f"only {self.n_matched:,} of {self.n_names:,} genes match the {self.n_targets:,} that "
            f"are known; given: {_some(self.missing)}; known: {_some(self.examples)}; "
            f"{advice}"
        )


def resolve(names: Iterable[str], targets: Sequence[str]) -> GeneMatch:
    """Match gene names to target genes.

    Names and targets may be symbols, previous symbols, aliases or Ensembl ids with or without
    version, in upper or lower case. A previous symbol or alias is used only where it belongs to a
    single gene, and previous symbols take precedence over aliases. Where several names match one
    target, all names matched in the best way are kept (their values are summed) and the others are
    left out.

    Where few names match, a shared prefix or suffix (``GRCh38_``, ``_TotalSeqB``), the name of the
    human genome and ``__chr1`` are removed, from names and targets. Where most names look like
    those of another species, names written that way (``Cd3e``) are matched exactly or not at all,
    because a human gene with the same letters is not the gene that was measured.

    Parameters
    ----------
    names
        Gene names of a data set; an empty name matches nothing.
    targets
        Genes to match, such as the tokens of a vocabulary (special tokens are skipped). If a target
        occurs twice, the first one is used.

    Examples
    --------
    >>> from scmamba.tokens import resolve
    >>> match = resolve(["GRCh38_CD3E", "GRCh38_MS4A1", "GRCh38_NKG7"], ["NKG7", "CD3E", "MS4A1"])
    >>> match.index.tolist()
    [1, 2, 0]
    >>> match.report()
    "3 of 3 genes matched (exact 3), prefix 'GRCh38_' removed"
    """
    names = [str(name) for name in names]
    exact = _places(targets)
    index, ways, hint = _find(names, exact)
    affix = ""
    if _few(index, names, exact):
        index, ways, hint, affix = _best_without_affixes(names, targets, (index, ways, hint))
    n_found = int((index >= 0).sum())
    _drop_worse(index, ways)
    kept = index >= 0
    counted = Counter(ways[kept].tolist())
    n_possible = min(len(set(names)), len(exact))
    n_distinct = len(np.unique(index[kept]))
    return GeneMatch(
        index=index,
        how={way: counted[i] for i, way in enumerate(WAYS)},
        n_names=len(names),
        n_matched=int(kept.sum()),
        n_shadowed=n_found - int(kept.sum()),
        missing=tuple(names[i] for i in np.flatnonzero(ways < 0)),
        n_targets=len(exact),
        fraction=n_distinct / n_possible if n_possible else 0.0,
        species_hint=hint,
        examples=tuple(list(exact)[:5]),
        affix=affix,
    )


_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], str | None]


def _places(targets: Sequence[str], known: Sequence[str] | None = None) -> dict[str, int]:
    """Position of each target that is a gene, by its name in ``known``."""
    places: dict[str, int] = {}
    for i, (target, name) in enumerate(zip(targets, known or targets, strict=True)):
        if target not in SPECIAL:
            places.setdefault(name, i)
    return places


def _few(index: npt.NDArray[np.int64], names: Sequence[str], exact: dict[str, int]) -> bool:
    """Whether so few names match that they may carry a prefix or suffix."""
    return bool(2 * (index >= 0).sum() < min(len(names), len(exact)))


def _find(names: Sequence[str], exact: dict[str, int]) -> _Found:
    """Target and kind of match of each name, and the species that unmatched names suggest."""
    index = np.fromiter((exact.get(name, -1) for name in names), np.int64, len(names))
    ways = np.where(index >= 0, 0, -1)
    hint = species_hint(names) if _few(index, names, exact) else None
    if (index < 0).any():
        others = _OtherNames(exact)
        for i in np.flatnonzero(index < 0).tolist():
            if hint is None or not looks_like_mouse(names[i]):
                index[i], ways[i] = others.find(names[i])
    return index, ways, hint if _few(index, names, exact) else None


def _best_without_affixes(
    names: Sequence[str], targets: Sequence[str], found: _Found
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], str | None, str]:
    """Return the best match among those without affixes of names, targets or both."""
    best = (*found, "")
    genes = [target if target not in SPECIAL else "" for target in targets]
    bare, bare_targets = strip_affixes(names), strip_affixes(genes)
    known = None if bare_targets is None else _places(targets, bare_targets.names)
    tries = []
    if bare is not None:
        tries += [(bare.names, _places(targets), bare.affix)]
    if known is not None:
        tries += [(list(names), known, "")]
    if bare is not None and known is not None:
        tries += [(bare.names, known, bare.affix)]
    for given, places, affix in tries:
        index, ways, hint = _find(given, places)
        if (index >= 0).sum() > (best[0] >= 0).sum():
            best = (index, ways, hint, affix)
        elif bare is not None and given is bare.names and not (best[0] >= 0).any():
            best = (best[0], best[1], hint, best[3])  # the species suggested by the bare names
    return best


def human_symbols() -> list[str]:
    """Return current symbols of human genes that have a main Ensembl id, alphabetically."""
    return human_genes().symbols


class _OtherNames:
    """Look-up of targets by Ensembl id, case-insensitive symbol, previous symbol and alias."""

    def __init__(self, exact: dict[str, int]) -> None:
        self._folded = unique((fold(target), i) for target, i in exact.items())
        self._numbers: dict[int, int] = {}
        self._genes: dict[int, tuple[int, int]] = {}  # gene -> best rank, place
        for target, i in exact.items():
            if (number := ensembl_number(target)) is not None:
                self._numbers.setdefault(number, i)
            if (identity := human_genes().identify(target)) is None:
                continue
            best = self._genes.get(identity.gene)
            if best is None or identity.rank < best[0]:
                self._genes[identity.gene] = (identity.rank, i)
            elif identity.rank == best[0]:
                self._genes[identity.gene] = (identity.rank, AMBIGUOUS)
        self._with_number = set(self._numbers.values())

    def find(self, name: str) -> tuple[int, int]:
        """Return position and kind of match (index into WAYS) of a name's target, or -1, -1."""
        if not name:
            return -1, -1
        number = ensembl_number(name)
        if number in self._numbers:
            return self._numbers[number], 1
        if (place := self._folded.get(fold(name), AMBIGUOUS)) != AMBIGUOUS:
            return place, 2
        identity = human_genes().identify(name)
        place = AMBIGUOUS if identity is None else self._genes.get(identity.gene, (0, AMBIGUOUS))[1]
        if place == AMBIGUOUS:
            return -1, -1
        return place, 1 if number is not None or place in self._with_number else 3


def _drop_worse(index: npt.NDArray[np.int64], ways: npt.NDArray[np.int64]) -> None:
    """Keep the best-matching names of each target, in place."""
    found = np.flatnonzero(index >= 0)
    best = np.full(int(index.max(initial=-1)) + 1, len(WAYS))
    np.minimum.at(best, index[found], ways[found])
    index[found[ways[found] > best[index[found]]]] = -1


def _some(names: Sequence[str], n: int = 5) -> str:
    shown = [name or "(empty)" for name in names[:n]]
    return ", ".join(shown + ["..."] * (len(names) > n)) or "none"
