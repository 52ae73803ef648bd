"""Cells on a plane."""

from __future__ import annotations

import anndata
from matplotlib.figure import Figure

from scmamba.pl._coordinates import umap, uncorrected
from scmamba.pl._integration_umap import integration_umap
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section
from scmamba.pl._umap import umap_triptych


def umaps(found: Findings) -> Section | None:
    """Known and predicted labels, confidence and batches on one UMAP."""
    if found.task in ("integrate", "multiomics"):
        return None  # they have pictures of their own
    keys, some = found.keys, found.some
    light = anndata.AnnData(obs=some.obs)
    light.uns = {name: value for name, value in some.uns.items() if name.endswith("_colors")}
    places = _places(found)
    if places is None:
        return None
    light.obsm["X_umap"] = places
    drawn = ""
    if len(some.obs) < len(found.obs):
        drawn = f" Drawn are {len(some.obs):,} of the cells."
    parts: dict[str, Figure] = {}
    if keys.best_guess in some.obs and keys.confidence in some.obs:
        caption = (
            "The annotated cells. One color is one label in every panel; doubtful cells are warm "
            f"and lie on top.{drawn}"
        )
        parts[caption] = umap_triptych(light, found.labels_key, keys.best_guess, keys.confidence)
        columns = [found.batch_key]
    else:
        columns = [found.groups_key, found.batch_key]
    for key in dict.fromkeys(one for one in columns if one is not None):
        parts[f"The cells by {key}.{drawn}"] = integration_umap(light, key, None, {"": "X_umap"})
    return Section(parts) if parts else None


def _places(found: Findings):  # type: ignore[no-untyped-def]
    """UMAP of the drawn cells: their own, or of the embedding, or of principal components."""
    if "X_umap" in found.some.obsm and found.task != "embed":
        return found.some.obsm["X_umap"]
    if found.embedding is not None:
        return umap(found.embedding, found.seed)
    if found.values is None:
        return None
    return umap(uncorrected(found.values, found.seed), found.seed)
