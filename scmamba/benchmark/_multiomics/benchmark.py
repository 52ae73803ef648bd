"""The comparison of multi-omics models as one call."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from scmamba._arguments import check_choice
from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba._log import logger
from scmamba.benchmark._cost import measure_cost
from scmamba.benchmark._installed import check_installed
from scmamba.benchmark._multiomics.methods import MULTIOMICS_METHODS, MultiomicsMethod
from scmamba.benchmark._multiomics.scores import FIRST, scores_of
from scmamba.benchmark._multiomics.split import SETTINGS, MultiomicsSplit, Setting, make_split
from scmamba.benchmark.runs import Runs
from scmamba.stream.modalities import read_modalities


@dataclass(frozen=True)
class MultiomicsBenchmark:
    """Result of a comparison of multi-omics models.

    Attributes
    ----------
    runs
        One row per setting, method and seed: scores and cost.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.benchmark import MultiomicsBenchmark
    >>> runs = pd.DataFrame(
    ...     {"setting": "hidden peaks", "method": ["a", "b"], "seed": 0, "auroc": [0.5, 0.6]}
    ... )
    >>> MultiomicsBenchmark(runs).summary("hidden peaks").index.tolist()
    ['b', 'a']
    """

    runs: pd.DataFrame

    def summary(self, setting: Setting) -> pd.DataFrame:
        """One row per method, best first: means over seeds, and the spread of the first score."""
        rows = self.runs[self.runs["setting"] == setting].dropna(axis=1, how="all")
        groups = rows.drop(columns=["setting", "seed"]).groupby("method", sort=False)
        means, first = groups.mean(), FIRST[setting]
        if first not in means:
            return means
        return means.assign(sd=groups[first].std()).sort_values(first, ascending=False)


def multiomics(
    data: Any,
    *,
    output: str | os.PathLike[str],
    labels_key: str | None = None,
    modalities: Mapping[str, str] | None = None,
    settings: Sequence[Setting] = ("embedding", "imputation", "mosaic"),
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    target: str | None = None,
    scib: bool = True,
    further: Mapping[str, MultiomicsMethod] | None = None,
) -> MultiomicsBenchmark:
    """Embed and impute the same cells by several methods, and score them.

    What is hidden depends on the seed, and is the same for all methods. Each run leaves its scores
    in ``output``, and a comparison that was stopped goes on there.

    Parameters
    ----------
    data
        Cells with RNA and proteins or chromatin; see
        :func:`scmamba.stream.modalities.read_modalities`. Cells with all modalities are used.
    output
        Folder for the runs.
    labels_key
        Column of ``obs`` with cell types, which score embeddings; no method reads them.
    modalities
        Names of modalities in the data by ours.
    settings
        Of ``"embedding"`` (all is measured), ``"imputation"`` (30 % of the cells lack the target),
        ``"mosaic"`` (half lack the target, another quarter RNA) and ``"hidden peaks"`` (a fifth of
        the open peaks is hidden).
    methods
        Names in :data:`~scmamba.benchmark.MULTIOMICS_METHODS`; None: all that are installed.
    seeds
        Each method is run once with each.
    target
        Modality to impute; None: ``"prot"``, else ``"atac"``.
    scib
        Whether to score embeddings by the bio conservation of scib-metrics too, where that is
        installed.
    further
        Further methods by name, for ablations.

    Returns
    -------
    The comparison. Methods take part in the settings and with the modalities for which they are
    made.

    Raises
    ------
    ScmambaError
        A method or setting is unknown, a package or column is missing, or a run in ``output`` was
        made on other cells.

    Examples
    --------
    >>> import tempfile
    >>> from scmamba import benchmark, datasets, settings
    >>> settings.verbosity = "error"
    >>> rna, prot = datasets.synthetic(60, 50, 2), datasets.synthetic(60, 20, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = benchmark.multiomics(
    ...         {"rna": rna, "prot": prot},
    ...         output=folder,
    ...         settings=["imputation"],
    ...         methods=["mean", "knn"],
    ...         seeds=[0],
    ...     )
    >>> found.summary("imputation").index.tolist()
    ['20-NN on 50 PCs', 'mean of each feature']
    """
    known = {**MULTIOMICS_METHODS, **(further or {})}
    if not seeds or not settings or (methods is not None and not methods):
        raise ScmambaError("give at least one method, one setting and one seed")
    for setting in settings:
        check_choice("setting", setting, tuple(SETTINGS))
    for name in methods or ():
        check_choice("method", name, tuple(known))
    chosen = {name: known[name] for name in methods or _installed(known)}
    check_installed({m.package: m.title for m in chosen.values()}, extra="benchmark")
    cells = read_modalities(data, modalities)
    runs = Path(writable_folder(output))
    rows = []
    for setting in settings:
        for seed in seeds:
            split = make_split(cells, setting, labels_key=labels_key, target=target, seed=seed)
            folder = Runs(runs / setting.replace(" ", "_"), {"cells": _hash(split)})
            for name, method in chosen.items():
                if _takes_part(method, split):
                    kept = folder.read(name, seed) or _run(folder, name, method, split, seed, scib)
                    row = {"setting": setting, "method": method.title, "seed": seed}
                    cost = {key: kept[key] for key in ("seconds", "cpu_seconds")}
                    rows.append(row | kept["scores"] | cost)
    if not rows:
        raise ScmambaError(
            f"none of the methods {', '.join(chosen)} takes part in {', '.join(settings)} with "
            f"{', '.join(cells)}"
        )
    return MultiomicsBenchmark(pd.DataFrame(rows))


def _run(
    folder: Runs, name: str, method: MultiomicsMethod, split: MultiomicsSplit, seed: int, scib: bool
) -> dict[str, Any]:
    with measure_cost() as cost:
        found = method.run(split, seed)
    logger.info("%s, %s, seed %d: %.0f s", split.setting, method.title, seed, cost.seconds)
    scib = scib and importlib.util.find_spec("scib_metrics") is not None
    return folder.write({"scores": scores_of(split, found, scib=scib), **vars(cost)}, name, seed)


def _takes_part(method: MultiomicsMethod, split: MultiomicsSplit) -> bool:
    others = set(split.mods) - {"rna"}
    return split.setting in method.settings and others <= set(method.modalities)


def _installed(methods: Mapping[str, MultiomicsMethod]) -> list[str]:
    return [
        name
        for name, method in methods.items()
        if importlib.util.find_spec(method.package) is not None
    ]


def _hash(split: MultiomicsSplit) -> str:
    """Hash of what methods read and are scored by."""
    mods = [
        (name, one.X, list(one.obs_names), list(one.var_names)) for name, one in split.mods.items()
    ]
    labels = None if split.labels is None else split.labels.tolist()
    pairs = None if split.pairs is None else vars(split.pairs)
    return str(joblib.hash((mods, labels, split.truth, pairs)))
