"""Detection of gene names of species other than human."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_ENSEMBL = re.compile(r"ENS([A-Z]{3,4})?G\d{11}(\.\d+)?")
_SPECIES = {
    "MUS": "mouse",
    "RNO": "rat",
    "DAR": "zebrafish",
    "SSC": "pig",
    "MMU": "macaque",
    "MFA": "macaque",
    "PTR": "chimpanzee",
    "BTA": "cow",
    "OCU": "rabbit",
    "GAL": "chicken",
}
_ORGANISM = {"mouse": "mmusculus", "rat": "rnorvegicus", "zebrafish": "drerio", "pig": "sscrofa"}
_TITLE = re.compile(r"[A-Z]?[a-z][a-z0-9]*([-.][A-Za-z0-9]+)*|[A-Z][a-z0-9]*([-.][A-Z]?[a-z0-9]+)+")
_RIKEN = re.compile(r"\w+Rik(\d*)|Gm\d+|[A-Z]{1,2}\d{5,6}(\.\d+)?|\d+\w+RIK")
_RIKEN_UPPER = re.compile(r"\d+\w+RIK\d*")
_FEWEST_RIKEN, _RIKEN_SHARE = 10, 0.002
_ORF = re.compile(r"C(\d+|X|Y)orf\d+.*")


def species_hint(names: Sequence[str]) -> str | None:
    """Return the species that most of ``names`` suggest, or None for human or unknown names.

    Ensembl ids are recognized by their prefix. Symbols with only the first letter in upper case
    (``Cd3e``, ``mt-Co1``) are taken for mouse, although rat symbols look the same. Open reading
    frames (``C1orf112``) are human.
    """
    prefixes = Counter(found[1] for name in names if (found := _ENSEMBL.fullmatch(name)))
    prefix, n_ids = prefixes.most_common(1)[0] if prefixes else (None, 0)
    if n_ids * 2 > len(names):
        return _SPECIES.get(prefix, f"another species (ENS{prefix}G)") if prefix else None
    symbols = [name for name in names if name and not name.startswith("ENS")]
    return "mouse" if symbols and sum(map(looks_like_mouse, symbols)) * 2 > len(symbols) else None


def upper_case_clone(names: Sequence[str]) -> str | None:
    """Return a RIKEN clone in upper case among mouse symbols that were made to look human, or None.

    No human gene is called so; a few such names are no sign of mouse.

    Examples
    --------
    >>> upper_case_clone(["CD3E", "0610007P14RIK"] * 20), upper_case_clone(["CD3E"])
    ('0610007P14RIK', None)
    """
    clones = [name for name in names if _RIKEN_UPPER.fullmatch(name)]
    many = len(clones) >= _FEWEST_RIKEN and len(clones) > _RIKEN_SHARE * len(names)
    return clones[0] if many else None


def looks_like_mouse(name: str) -> bool:
    """Whether a symbol is written in the style of mouse genes."""
    if _ORF.fullmatch(name) or name == name.lower():
        return False
    return bool(_TITLE.fullmatch(name) or _RIKEN.fullmatch(name))


def ortholog_advice(species: str) -> str:
    """Return advice on mapping genes of ``species`` to human orthologs."""
    organism = _ORGANISM.get(species, "...")
    return (
        f"these look like {species} genes: map them to human orthologs first, for example with "
        "Ensembl BioMart or g:Profiler (pip install gprofiler-official; GProfiler().orth("
        f"organism={organism!r}, target='hsapiens', query=names)), store the result in a column of "
        "adata.var and pass its name as gene_key"
    )
