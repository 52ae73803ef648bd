"""What a comparison of predicted perturbation effects found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.benchmark._perturbation.scores import CEILING

_DRAWS = 1000


@dataclass(frozen=True)
class PerturbationBenchmark:
    """Result of a comparison of predicted perturbation effects.

    Attributes
    ----------
    scores
        One row per method, seed, context and perturbation; one column per metric.
        ``reverse_rank`` is the rank of a perturbation, from 1, among all of its context when its
        measured change is searched.
    costs
        One row per method and seed: ``seconds`` and ``cpu_seconds`` of all folds together.
    ceiling
        Mean of each metric for one half of the measured cells as the prediction of the other
        half; None for given effects.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.benchmark import PerturbationBenchmark
    >>> scores = pd.DataFrame({"method": ["a", "b"], "seed": 0, "context": "", "perturbation": "A",
    ...                        "pearson_delta": [0.25, 0.5]})
    >>> PerturbationBenchmark(scores, pd.DataFrame()).summary["pearson_delta"].to_dict()
    {'b': 0.5, 'a': 0.25}
    """

    scores: pd.DataFrame
    costs: pd.DataFrame
    ceiling: pd.Series | None = field(default=None, compare=False)

    @property
    def by_perturbation(self) -> pd.DataFrame:
        """Means over seeds, one row per method, context and perturbation."""
        columns = ["method", "context", "perturbation"]
        return self.scores.drop(columns="seed").groupby(columns, sort=False).mean()

    @property
    def summary(self) -> pd.DataFrame:
        """One row per method: mean over perturbations and seeds; best ``pearson_delta`` first.

        Perturbations that a metric is undefined for, such as the correlation of no change at all,
        are left out of its mean. The last row is the ceiling, where there is one.
        """
        means = self.by_perturbation.groupby(level="method", sort=False).mean()
        means = means.sort_values("pearson_delta", ascending=False)
        if self.ceiling is not None:
            means.loc[CEILING] = self.ceiling.reindex(means.columns)
        return means

    def interval(self, metric: str) -> pd.DataFrame:
        """Mean of a metric by method with its 95 % interval, bootstrap over perturbations.

        Raises
        ------
        ScmambaError
            If there is no such metric.
        """
        table = self.by_perturbation
        if metric not in table:
            raise ScmambaError(f"metric {metric!r}; allowed: {', '.join(table.columns)}")
        wide = table[metric].unstack("method").reindex(columns=table.index.unique("method"))
        values = wide.to_numpy(float)
        draws = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
        means = pd.DataFrame([pd.DataFrame(values[rows]).mean() for rows in draws])
        found = pd.DataFrame({"mean": wide.mean()})
        found["low"], found["high"] = (means.quantile(q).to_numpy() for q in (0.025, 0.975))
        return found
