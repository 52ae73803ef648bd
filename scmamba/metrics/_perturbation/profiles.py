"""Scores of mean profiles: the effect of a perturbation on the average cell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
METRICS = ("l1", "l2", "cosine")


def pearson(x: Floats, y: Floats) -> Floats:
    """(n,) Pearson correlation of each row of ``x`` (n, d) with the same row of ``y`` (n, d).

    NaN where a row is constant.

    Examples
    --------
    >>> import numpy as np
    >>> pearson(np.array([[1.0, 2, 3]]), np.array([[2.0, 4, 6]])).round(6)
    array([1.])
    """
    x = x - x.mean(1, keepdims=True)
    y = y - y.mean(1, keepdims=True)
    scale = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.divide((x * y).sum(1), scale, out=np.full(len(x), np.nan), where=scale > 0)


def change_scores(
    real: Floats, predicted: Floats, control: Floats, n_top: int
) -> dict[str, Floats]:
    """Errors and correlations of each predicted profile.

    Parameters
    ----------
    real, predicted, control
        (n, n_vars) mean log-normalized expression of each perturbation, measured and predicted, and
        of the measured controls in the same context.
    n_top
        Number of genes, those with the largest measured change, for the scores named ``_top``.

    Returns
    -------
    (n,) scores by name. Changes are profiles minus their control; because measured and predicted
    changes have the same control, ``mae_delta`` equals ``mae`` and ``mse_delta`` equals ``mse``.
    """
    change, guess = real - control, predicted - control
    error = predicted - real
    top = np.argsort(-np.abs(change), 1, kind="stable")[:, :n_top]
    largest = [np.take_along_axis(table, top, 1) for table in (change, guess, error)]
    mae, mse = np.abs(error).mean(1), (error**2).mean(1)
    return {
        "mae": mae,
        "mse": mse,
        "mae_delta": mae,
        "mse_delta": mse,
        "pearson_delta": pearson(change, guess),
        "pearson_delta_top": pearson(largest[0], largest[1]),
        "mse_top": (largest[2] ** 2).mean(1),
    }


def discrimination(
    change: Floats, predicted: Floats, targets: list[npt.NDArray[np.int64]]
) -> dict[str, Floats]:
    """Rank of the correct perturbation by similarity to each predicted change.

    Measured changes are sorted by distance to the predicted change. With the rank r of the correct
    one, from 0, the score is 1 - r / n: 1 is best, about 0.5 is chance. Ties count half.

    Parameters
    ----------
    change, predicted
        (n, n_vars) signed changes against control, measured and predicted.
    targets
        Columns of the target genes of each perturbation, which are excluded.
    """
    from scipy.spatial.distance import cdist
    from scipy.stats import rankdata

    n = len(change)
    scores = {f"discrimination_score_{name}": np.empty(n) for name in METRICS}
    absolute, squared = (cdist(predicted, change, kind) for kind in ("cityblock", "sqeuclidean"))
    product = predicted @ change.T
    lengths, own_lengths = (change**2).sum(1), (predicted**2).sum(1)
    for i, target in enumerate(targets):  # what the excluded columns add is taken away again
        guess, known = predicted[i, target], change[:, target]
        apart = guess - known
        scale = _left(own_lengths[i], guess @ guess) * _left(lengths, (known**2).sum(1))
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = (product[i] - known @ guess) / np.sqrt(scale)
        found = {
            "l1": absolute[i] - np.abs(apart).sum(1),
            "l2": squared[i] - (apart**2).sum(1),  # in the order of distances
            "cosine": np.where(scale > 0, -cosine, np.inf),
        }
        for name, distance in found.items():
            rank = rankdata(distance, method="average")[i] - 1
            scores[f"discrimination_score_{name}"][i] = 1 - rank / n
    return scores


def _left(whole: npt.ArrayLike, part: npt.ArrayLike) -> Floats:
    """Sum of squares without a part of it; 0 where nothing but rounding is left."""
    total = np.asarray(whole, dtype=np.float64)
    rest = total - np.asarray(part, dtype=np.float64)
    return np.where(rest > 1e-12 * total, rest, 0.0)


def centroid_scores(real: Floats, predicted: Floats) -> dict[str, Floats]:
    """Scores of changes from the mean of all perturbations instead of control.

    A prediction of only what all perturbed cells have in common scores 0.

    Parameters
    ----------
    real, predicted
        (n, n_vars) mean log-normalized expression of each perturbation.

    Returns
    -------
    ``pearson_centroid``, Pearson's correlation of both profiles minus the mean of all measured
    ones, and ``centroid_accuracy``, the fraction of other measured profiles that are farther from
    the prediction than the right one; NaN for a single perturbation.

    Notes
    -----
    Viñas Torné et al., Systema: a framework for evaluating genetic perturbation response
    prediction beyond systematic variation, Nature Biotechnology 2025.
    """
    from scipy.spatial.distance import cdist

    n = len(real)
    if n < 2:
        return {name: np.full(n, np.nan) for name in ("pearson_centroid", "centroid_accuracy")}
    center = real.mean(0)
    distances = cdist(predicted, real)
    own = np.diag(distances)[:, None]
    farther = (distances > own).sum(1) + 0.5 * ((distances == own).sum(1) - 1)
    return {
        "pearson_centroid": pearson(real - center, predicted - center),
        "centroid_accuracy": farther / (n - 1),
    }
