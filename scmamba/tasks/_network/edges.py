"""Tables of a network: edges, gene programs and enrichment of known targets."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.tasks._knockout.null import adjusted

_AXES = 20


def edge_table(
    weights: pd.DataFrame, correlation: pd.DataFrame, n_targets: int, *, signed: bool
) -> pd.DataFrame:
    """Each regulator's ``n_targets`` edges of the largest absolute weight, the largest first.

    ``weights`` and ``correlation`` are (n_regulators, n_targets), NaN on the diagonal.
    """
    size = weights.abs().to_numpy()
    parts = []
    for i, regulator in enumerate(weights.index):
        order = np.argsort(-np.nan_to_num(size[i], nan=-1), kind="stable")[:n_targets]
        order = order[np.nan_to_num(size[i][order], nan=0) > 0]
        parts.append(
            pd.DataFrame(
                {
                    "regulator": regulator,
                    "target": weights.columns[order],
                    "weight": weights.to_numpy()[i, order],
                    "correlation": correlation.to_numpy()[i, order],
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table["sign"] = np.sign(table["weight"]).astype(int) if signed else 0
    order = np.argsort(-table["weight"].abs().to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def programs(weights: pd.DataFrame, n_programs: int, seed: int) -> pd.Series:
    """Program of each target: k-means on how strongly each regulator acts on it.

    Programs are numbered by size, the largest is ``"1"``.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    x = np.nan_to_num(weights.to_numpy().T)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(float).tiny)
    k = min(n_programs, len(np.unique(x, axis=0)))
    if min(x.shape) > _AXES:
        x = PCA(_AXES, random_state=seed).fit_transform(x)
    codes = KMeans(k, n_init=5, random_state=seed).fit_predict(x)
    order = np.argsort(-np.bincount(codes, minlength=k), kind="stable")
    rank = np.empty(k, int)
    rank[order] = np.arange(1, k + 1)
    names = [str(i) for i in range(1, k + 1)]
    labels = pd.Categorical([str(rank[code]) for code in codes], names)
    return pd.Series(labels, weights.columns, name="program")


def check_known(known: object) -> pd.DataFrame:
    """Raise ScmambaError unless a table of known targets has the two columns."""
    wanted = {"regulator", "target"}
    if not isinstance(known, pd.DataFrame) or not wanted <= set(known.columns) or known.empty:
        what = list(known.columns) if isinstance(known, pd.DataFrame) else type(known).__name__
        raise ScmambaError(
            f"known_targets is {what}; give a DataFrame with one row per known edge and the "
            "columns 'regulator' and 'target'"
        )
    return known[["regulator", "target"]].astype(str).drop_duplicates()


def enrichment(
    ranked: Iterable[tuple[str, pd.DataFrame]], known: pd.DataFrame, n_targets: int
) -> pd.DataFrame:
    """Whether the known targets of a regulator are among its strongest edges.

    Parameters
    ----------
    ranked
        Name of a method and its weights (n_regulators, n_targets).
    known
        Columns ``regulator`` and ``target``.
    n_targets
        Strongest edges of each regulator that are looked at.

    Returns
    -------
    One row per method and regulator with known targets: ``n_known`` among all targets, ``n_found``
    among the strongest, ``expected`` by chance, ``p_value`` of Fisher's exact test (one-sided) and
    ``fdr`` within the method.
    """
    from scipy import stats

    rows = []
    for method, weights in ranked:
        for regulator, row in weights.iterrows():
            row = row.dropna()
            own = set(known.loc[known["regulator"] == regulator, "target"])
            hit = row.index.isin(own)
            if not hit.any():
                continue
            top = np.argsort(-row.abs().to_numpy(), kind="stable")[:n_targets]
            found, n_known, n = int(hit[top].sum()), int(hit.sum()), len(row)
            p = float(stats.hypergeom.sf(found - 1, n, n_known, len(top)))
            expected = n_known * len(top) / n
            rows.append((method, regulator, n_known, found, expected, p))
    columns = ["method", "regulator", "n_known", "n_found", "expected", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    table["fdr"] = np.nan
    for _, part in table.groupby("method"):
        table.loc[part.index, "fdr"] = adjusted(part["p_value"].to_numpy())
    return table
