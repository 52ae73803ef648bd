import numpy as np
import pytest

from scmamba.learn.effects import components
from scmamba.learn.effects.components import scale_components
from scmamba.learn.effects.kriging import Choice, finish_kriging, fit_kriging


def problem(n=40, n_genes=60, seed=0):
    """Two groups of rows with a shared effect each, and noise; kernel of the groups."""
    rng = np.random.default_rng(seed)
    member = np.kron(np.eye(4), np.ones((n // 4, 1)))
    effects = member @ rng.normal(size=(4, n_genes)) + rng.normal(size=(n, n_genes))
    return member @ member.T, effects


def test_factors_are_least_squares_along_principal_axes(monkeypatch):
    monkeypatch.setattr(components, "_choose_count", lambda *_: 8)
    kernel, effects = problem()
    fitted = finish_kriging(Choice("groups", 8.0, 0.0), {"groups": kernel}, effects, np.ones(40))
    scaled = scale_components(fitted, effects)
    _, _, axes = np.linalg.svd(effects - effects.mean(0), full_matrices=False)
    axes = axes[:8]
    wanted, found = effects - fitted.center, fitted.held_out - fitted.center
    expected = np.zeros_like(found)
    for axis in axes:
        one, other = found @ axis, wanted @ axis
        expected += np.clip(one @ other / (one @ one), 0, 2) * np.outer(one, axis)
    rest, rest_wanted = found - found @ axes.T @ axes, wanted - wanted @ axes.T @ axes
    expected += np.clip(np.vdot(rest, rest_wanted) / np.vdot(rest, rest), 0, 2) * rest
    np.testing.assert_allclose(scaled.held_out - fitted.center, expected, rtol=1e-6, atol=1e-8)


def test_predictions_of_new_rows_gain():
    kernel, effects = problem(80)
    seen = np.arange(80) % 2 == 0
    fitted = fit_kriging({"groups": kernel[np.ix_(seen, seen)]}, effects[seen])
    new = kernel[np.ix_(~seen, seen)]
    errors = [
        np.square(one.predict(new) - effects[~seen]).mean()
        for one in (fitted, scale_components(fitted, effects[seen]))
    ]
    assert errors[1] <= errors[0] * 1.01


@pytest.mark.parametrize("n", [2, 4], ids=str)
def test_few_rows_are_left_as_they_are(n):
    kernel, effects = problem()
    fitted = fit_kriging({"groups": kernel[:n, :n]}, effects[:n])
    assert scale_components(fitted, effects[:n]) is fitted


def test_equal_rows_do_no_harm():
    fitted = finish_kriging(
        Choice("all", 1.0, 0.0), {"all": np.ones((10, 10))}, np.ones((10, 3)), np.ones(10)
    )
    scaled = scale_components(fitted, np.ones((10, 3)))
    assert np.isfinite(scaled.coefficients).all()
    np.testing.assert_allclose(scaled.held_out, 1.0)


def test_noise_is_not_scaled_by_many_factors():
    rng = np.random.default_rng(0)
    kernel, effects = np.ones((40, 40)), rng.normal(size=(40, 60))
    fitted = finish_kriging(Choice("all", 1.0, 0.0), {"all": kernel}, effects, np.ones(40))
    before = np.square(fitted.held_out - effects).mean()
    assert np.square(scale_components(fitted, effects).held_out - effects).mean() <= before


def test_the_count_is_that_of_slow_folds():
    kernel, effects = problem(60, 30)
    fitted = finish_kriging(Choice("groups", 4.0, 0.0), {"groups": kernel}, effects, np.ones(60))
    wanted, found = effects - fitted.center, fitted.held_out - fitted.center
    errors = {0: np.square(wanted - found).sum(), 3: 0.0, 6: 0.0, 20: 0.0}
    for fold in range(5):
        held = np.arange(60) % 5 == fold
        axes = components._principal_axes(wanted[~held], 20)
        for count in (3, 6, 20):
            scaling = components._Scaling.fit(wanted[~held], found[~held], axes[:count])
            errors[count] += np.square(wanted[held] - scaling(found[held])).sum()
    assert components._choose_count(wanted, found, [3, 6, 20]) == min(errors, key=errors.get)
