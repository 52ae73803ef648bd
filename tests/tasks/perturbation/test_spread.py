"""Spread of cells around a mean, on made-up cells whose distribution is known."""

import numpy as np
import pytest
from scipy import sparse, stats

from scmamba.tasks._perturbation.sampling import perturbed_cells
from scmamba.tasks._perturbation.spread import Spread


def _cells(means, n=400, seed=0):
    """Log-normalized negative binomial counts with totals of about 2,000."""
    counts = np.random.default_rng(seed).poisson(
        np.random.default_rng(seed + 1).gamma(4.0, np.asarray(means) / 4, size=(n, len(means)))
    )
    return sparse.csr_matrix(np.log1p(5.0 * counts).astype(np.float32))


@pytest.fixture(scope="module")
def spread():
    return Spread.of_groups(_cells(np.geomspace(0.05, 60, 300)), np.zeros(400, int))


def test_deviation_and_zeros_are_those_of_like_genes(spread):
    x = _cells([0.5, 5.0, 30.0], n=4000, seed=9).toarray()
    np.testing.assert_allclose(spread.deviation(x.mean(0)), x.std(0), rtol=0.15)
    np.testing.assert_allclose(spread.zero_share(x.mean(0)), (x == 0).mean(0), atol=0.06)


def test_an_induced_gene_has_one_hump_with_the_mean_and_spread_asked_for(spread):
    before, after = (_cells([mean], n=2000, seed=5).toarray()[:, 0] for mean in (0.7, 30.0))
    start = np.full((2000, 1), before.mean())
    change = np.full((2000, 1), after.mean() - before.mean())
    cells = sparse.csr_matrix(before[:, None])
    found = perturbed_cells(cells, change, start, 0, spread).toarray()[:, 0]
    shifted = perturbed_cells(cells, change, start, 0).toarray()[:, 0]
    assert found.mean() == pytest.approx(after.mean(), abs=0.1)
    assert found.std() == pytest.approx(after.std(), rel=0.25)
    assert shifted.std() > 1.5 * after.std()
    distance = [stats.wasserstein_distance(one, after) for one in (found, shifted)]
    assert distance[0] < 0.6 * distance[1]
    assert np.corrcoef(before[before > 0], found[before > 0])[0, 1] > 0.7  # ranks of cells stay


def test_too_few_cells_tell_nothing():
    spread = Spread.of_groups(_cells([1.0, 5.0], n=10), np.zeros(10, int))
    assert not len(spread.means) and not spread.is_unimodal(np.array([9.0]))[0]
    cells, moved = _cells([1.0, 5.0], n=10), (np.full((10, 2), 3.0), np.ones((10, 2)), 0)
    plain = perturbed_cells(cells, *moved).toarray()
    np.testing.assert_array_equal(perturbed_cells(cells, *moved, spread).toarray(), plain)


def test_a_cell_does_not_depend_on_its_batch(spread):
    cells = _cells([0.7, 5.0], n=6)
    start, change = np.full((6, 2), 1.0), np.full((6, 2), 3.0)
    whole = perturbed_cells(cells, change, start, 0, spread).toarray()
    alone = perturbed_cells(cells[2], change[2:3], start[2:3], 0, spread).toarray()
    np.testing.assert_array_equal(whole[2], alone[0])
