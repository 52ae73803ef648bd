"""Positions drawn at random."""

import numpy as np

from scmamba.stream.sampling import sample


def test_a_sample_is_all_or_drawn_by_the_seed() -> None:
    assert sample(5, 9, 0).tolist() == [0, 1, 2, 3, 4]
    drawn = sample(100, 9, 0)
    assert len(set(drawn)) == 9 and (np.diff(drawn) > 0).all()
    assert drawn.tolist() == sample(100, 9, 0).tolist() != sample(100, 9, 1).tolist()
