"""What to look at before the results are believed, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section
from scmamba.pl._report.sections.overview import genes_matched
from scmamba.pl._report.sections.perturbation import support_of

_FEW_GENES, _MANY_UNKNOWN = 0.8, 0.2
_ALONE, _MOST_OF_ALL = 0.95, 0.6
_FEWEST_CELLS, _FEW_HELD_OUT, _LOW_RECALL = 20, 20, 0.5
_OWN_NEIGHBORS, _NEIGHBORS, _CELLS = 0.95, 15, 4_000
_FAR = 2.0
_SHIFT_MARGIN = 0.02
_LISTED = 5


def attention(found: Findings) -> Section:
    """Collect the warnings; say so where there are none."""
    lines = [line for check in CHECKS for line in check(found)]
    if not lines:
        return Section({"Worth a look": "Nothing stood out in the checks of this page."})
    points = "point to look at" if len(lines) == 1 else "points to look at"
    return Section({"Worth a look": "\n".join(lines)}, {points: f"{len(lines)}"})


def few_genes(found: Findings) -> Iterator[str]:
    """Genes that the model reads and the cells lack."""
    genes = genes_matched(found)
    if genes is None or genes[0] >= _FEW_GENES * genes[1]:
        return
    yield (
        f"Only {genes[0]:,} of {genes[1]:,} genes were matched. Genes that are missing count as "
        "not expressed: check the names of genes (gene_key), the species, and whether the file "
        "holds highly variable genes only."
    )


def many_unknown(found: Findings) -> Iterator[str]:
    """Tell of a large fraction of cells without a label."""
    fraction = found.unknown.mean() if len(found.unknown) else 0.0
    if fraction <= _MANY_UNKNOWN:
        return
    text = f"{fraction:.0%} of the cells are called unknown."
    key = found.keys.reason
    if key in found.obs:
        reasons = found.obs.loc[found.unknown, key].value_counts()
        if len(reasons) and reasons.iloc[0]:
            text += (
                f" The most frequent reason is {reasons.index[0]!r} ({reasons.iloc[0]:,} cells)."
            )
    yield f"{text} The reference may lack types of this tissue, or differ in protocol."


def far_from_training(found: Findings) -> Iterator[str]:
    """Cells that are less like the training cells than any batch was that was held out."""
    shift, held = found.record.get("shift"), found.record.get("held_out_shift")
    if not isinstance(held, Mapping) or not held or shift is None:
        return
    if float(shift) > max(map(float, held.values())) + _SHIFT_MARGIN:
        yield (
            "These cells are further from the training cells than any batch that was held out: "
            "more labels than max_error allows may be wrong. Compare them with marker genes."
        )


def poorly_validated(found: Findings) -> Iterator[str]:
    """Predicted types that held-out cells say little good about."""
    table = found.validation
    if found.predicted_key is None or "held_out" not in table:
        return
    sizes = found.labels(found.predicted_key).value_counts()
    own = table[table.index.astype(str).isin(sizes.index)]
    few = own[own["held_out"] < _FEW_HELD_OUT].index
    if len(few):
        yield (
            f"Types validated on fewer than {_FEW_HELD_OUT} held-out cells: {_listed(few)}. "
            "Their precision is a guess."
        )
    low = own.index[own["recall"] < _LOW_RECALL] if "recall" in own else []
    if len(low):
        yield (
            f"Types of which less than half of the held-out cells were found: {_listed(low)}. "
            "Cells of these types may carry another label."
        )
    never = table.index[table["threshold"].isna()] if "threshold" in table else []
    if len(never):
        yield f"Types that are never predicted, for lack of held-out cells: {_listed(never)}."
    if "batches" in table and table["batches"].max() == 0:
        yield (
            "Labels were validated on cells of the batches they were learned from (no batch_key): "
            "on another study more of them may be wrong than max_error says."
        )


def types_of_one_batch(found: Findings) -> Iterator[str]:
    """Types that one batch alone holds, and batches of one type."""
    if found.batch_key is None or found.groups_key in (None, found.batch_key):
        return
    table = pd.crosstab(found.labels(str(found.groups_key)), found.labels(found.batch_key))
    if table.shape[0] < 2 or table.shape[1] < 2:
        return
    batches = table.sum(0) / table.to_numpy().sum()
    for name, row in table.iterrows():
        top = row.idxmax()
        alone = row.sum() >= _FEWEST_CELLS and row.max() >= _ALONE * row.sum()
        if alone and batches[top] < _MOST_OF_ALL:
            yield (
                f"{row.max() / row.sum():.0%} of the cells of {name!r} are of one batch, {top!r}: "
                "a type of its own, or a batch effect."
            )
    types = table.sum(1) / table.to_numpy().sum()
    for name, column in table.items():
        top = column.idxmax()
        alone = column.sum() >= _FEWEST_CELLS and column.max() >= _ALONE * column.sum()
        if alone and types[top] < _MOST_OF_ALL:
            yield (
                f"{column.max() / column.sum():.0%} of batch {name!r} are called {top!r}: sorted "
                "cells, or a batch effect."
            )


def unmixed_batches(found: Findings) -> Iterator[str]:
    """Batches whose cells have neighbors of their own batch alone."""
    if found.task != "integrate" or found.batch_key is None or found.embedding is None:
        return
    from sklearn.neighbors import NearestNeighbors

    n = len(found.embedding)
    rows = np.random.default_rng(found.seed).permutation(n)[:_CELLS]
    if len(rows) <= _NEIGHBORS:
        return
    batches = found.some.obs[found.batch_key].astype(str).to_numpy()[rows]
    near = NearestNeighbors(n_neighbors=_NEIGHBORS).fit(found.embedding[rows])
    same = (batches[near.kneighbors(return_distance=False)] == batches[:, None]).mean(1)
    for name in np.unique(batches):
        own = batches == name
        if own.mean() < _MOST_OF_ALL and same[own].mean() > _OWN_NEIGHBORS:
            yield (
                f"Batch {name!r} stays apart: {same[own].mean():.0%} of the neighbors of its cells "
                "are its own. It shares no type with the others, or was not integrated."
            )


def far_from_reference(found: Findings) -> Iterator[str]:
    """Batches that were mapped far from the reference."""
    if found.keys.distance not in found.obs or found.batch_key is None:
        return
    groups = found.obs.groupby(found.batch_key, observed=True)[found.keys.distance]
    for name, value in groups.median().items():
        if value > _FAR:
            yield (
                f"Batch {name!r} lies {value:.1f} times as far from the reference as its own cells "
                "do: labels and neighbors taken from there are doubtful."
            )


def empty_cells(found: Findings) -> Iterator[str]:
    """Cells that express no gene of the model."""
    if found.keys.empty in found.obs:
        n = int(found.obs[found.keys.empty].astype(bool).sum())
        yield f"{n:,} cells express no gene of the model; filter them out."


def unsupported(found: Findings) -> Iterator[str]:
    """Predictions that rest on little."""
    support = support_of(found)
    if "rests_on" not in support:
        return
    mean = support.loc[support["rests_on"] == "mean of all", "perturbation"].unique()
    if len(mean):
        yield (
            f"Predictions of {_listed(mean)} are the mean of all perturbations: nothing that was "
            "measured is like them."
        )
    alike = support.loc[support["rests_on"] == "similar genes", "perturbation"].unique()
    if len(alike):
        yield (
            f"Predictions of {_listed(alike)} rest on perturbations of other genes that share gene "
            "sets; see the table for the nearest."
        )


def cut_short(found: Findings) -> Iterator[str]:
    """Training that a limit in time ended."""
    if (cut := found.record.get("cut", "nothing")) not in ("", "nothing"):
        yield f"Training was cut by its limit in time ({cut}): give it more (max_minutes)."


def untold(found: Findings) -> Iterator[str]:
    """Results whose origin is not written down."""
    if not found.record:
        yield (
            f"uns[{found.keys.uns!r}] holds no record of a run: this page shows what was found, "
            "without how it was made."
        )


def unread(found: Findings) -> Iterator[str]:
    """Expression that cannot be read."""
    if found.unreadable:
        yield f"Genes are not shown, as expression cannot be read: {found.unreadable}"


CHECKS: tuple[Callable[[Findings], Iterator[str]], ...] = (
    cut_short,
    untold,
    few_genes,
    many_unknown,
    far_from_training,
    poorly_validated,
    types_of_one_batch,
    unmixed_batches,
    far_from_reference,
    empty_cells,
    unsupported,
    unread,
)


def _listed(names: object) -> str:
    """Name a few, and how many more there are."""
    texts = [str(name) for name in names]  # type: ignore[attr-defined]
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
