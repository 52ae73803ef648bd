"""Human names for the genes of another species."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from scmamba._errors import ScmambaError
from scmamba.tokens.cells.gene_table import human_genes

ORGANISMS = ("human", "mouse")
"""Species whose genes can be read as human ones."""


def as_human(names: Sequence[str], organism: str) -> list[str]:
    """Name the human ortholog of each gene; ``""`` where there is none, which matches nothing.

    No table of orthologs ships with the package. A mouse symbol in upper case that is a current
    human symbol (``Cd3e``, ``CD3E``) is taken for its one-to-one ortholog, which holds for most
    protein-coding genes, since orthologs are named alike, but not for all: it is an approximation.
    Human symbols that two names lead to are left out. For exact orthologs, map the genes yourself
    and name the column with ``gene_key``.

    Parameters
    ----------
    names
        Symbols of genes.
    organism
        ``"human"`` (the names are returned as they are) or ``"mouse"``.

    Raises
    ------
    ScmambaError
        The organism is another one, or names are Ensembl ids of mouse genes, which hold no symbol.

    Examples
    --------
    >>> as_human(["Cd3e", "mt-Co1", "Gm1234"], "mouse")
    ['CD3E', 'MT-CO1', '']
    """
    check_organism(organism)
    if organism == "human":
        return list(names)
    if sum(name.startswith("ENSMUSG") for name in names) * 2 > len(names):
        raise ScmambaError(
            "organism='mouse' maps symbols, and these names are Ensembl ids, such as "
            f"{names[0]!r}; name the column of adata.var that holds symbols with gene_key="
        )
    known = set(human_genes().symbols)
    upper = [name.upper() for name in names]
    times = Counter(upper)
    return [name if name in known and times[name] == 1 else "" for name in upper]


def check_organism(organism: object) -> None:
    """Raise ScmambaError unless ``organism`` is one of :data:`ORGANISMS`."""
    if organism not in ORGANISMS:
        raise ScmambaError(
            f"organism={organism!r}; allowed: {', '.join(map(repr, ORGANISMS))}. Map genes of "
            "other species to human orthologs yourself, store them in a column of adata.var and "
            "pass its name as gene_key"
        )
