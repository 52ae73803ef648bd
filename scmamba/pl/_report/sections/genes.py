"""Genes behind each type."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba.pl._explanation import explanation
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section

_GENES = 8
_FEWEST = 3  # cells of a type that is tested
_CELLS = 5_000  # that are tested, at most


def genes(found: Findings) -> Section | None:
    """Show what decides about each type, by the annotator; else what its cells express more of."""
    if found.task not in ("annotate", "integrate", "multiomics", "embed", ""):
        return None
    if hasattr(found.model, "explain") and found.predicted_key is not None:
        return _explained(found)
    return _tested(found)


def _explained(found: Findings) -> Section | None:
    markers = "Genes by which the annotator tells each type"
    if found.rna is None:
        table = found.model.markers(_GENES)
        return Section({markers: _listed(table)})
    try:
        why = found.model.explain(
            found.rna, n_genes=2 * _GENES, n_cells=50, seed=found.seed, layer=found.layer
        )
    except ScmambaError:
        return Section({markers: _listed(found.model.markers(_GENES))})
    kept = why.table[why.table["evidence"] == "expressed"]
    caption = (
        "Genes that decide about each type: red argues for it, blue against it, in nats of its "
        "log-odds; larger dots are expressed by more of its cells."
    )
    return Section({caption: explanation(why), "The genes that argue most": _listed(kept)})


def _listed(table: pd.DataFrame) -> pd.DataFrame:
    """List the first genes of each type in one row."""
    groups = table.groupby("cell_type", sort=False, observed=True)["gene"]
    return groups.agg(lambda one: ", ".join(map(str, one.head(_GENES)))).to_frame("genes")


def _tested(found: Findings) -> Section | None:
    """Genes that a t-test finds higher in each type than in all other cells."""
    import scanpy as sc

    key = found.groups_key
    if key is None or found.values is None or key not in found.some.obs:
        return None
    cells, texts = found.values, found.types_of_values(key)
    rows = np.random.default_rng(found.seed).permutation(cells.n_obs)[:_CELLS]
    sizes = pd.Series(texts[rows]).value_counts()
    kept = [name for name, n in sizes.items() if n >= _FEWEST and str(name).lower() != UNKNOWN]
    if len(kept) < 2:
        return None
    rows = rows[np.isin(texts[rows].astype(str), kept)]
    cells = cells[rows].copy()
    cells.obs["type"] = pd.Categorical(texts[rows].astype(str))
    sc.tl.rank_genes_groups(cells, "type", method="t-test_overestim_var", n_genes=_GENES)
    names = pd.DataFrame(cells.uns["rank_genes_groups"]["names"])
    listed = {name: ", ".join(map(str, names[name])) for name in names}
    table = pd.DataFrame({"genes": pd.Series(listed)})
    return Section({f"Genes that cells of each {key} express more of (t-test)": table})
