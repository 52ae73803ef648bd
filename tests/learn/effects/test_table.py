import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import EffectTable

GENES = pd.Index(["g1", "g2", "g3"])


def _cells(n=60):
    rng = np.random.default_rng(0)
    values = rng.poisson(1.0, (n, 3)).astype(np.float32)
    perturbations = [[(), ("A",), ("A", "B")][i % 3] for i in range(n)]
    contexts = [["T", "B"][i // 3 % 2] for i in range(n)]
    return values, perturbations, contexts


def test_effects_are_differences_of_means_with_their_standard_errors():
    values, perturbations, contexts = _cells()
    table = EffectTable.from_cells(sparse.csr_matrix(values), perturbations, contexts, GENES)
    assert len(table) == 4
    for i in range(4):
        mine = [c == table.contexts[i] for c in contexts]
        cells = values[
            [m and p == table.perturbations[i] for m, p in zip(mine, perturbations, strict=True)]
        ]
        control = values[[m and not p for m, p in zip(mine, perturbations, strict=True)]]
        np.testing.assert_allclose(table.effects[i], cells.mean(0) - control.mean(0), atol=1e-6)
        error = cells.var(0, ddof=1) / len(cells) + control.var(0, ddof=1) / len(control)
        np.testing.assert_allclose(table.errors[i], np.sqrt(error), rtol=1e-5)
        np.testing.assert_allclose(
            table.control_of([table.contexts[i]])[0], control.mean(0), rtol=1e-6
        )
        assert table.n_cells[i] == len(cells)


def test_each_dose_is_a_row():
    values, perturbations, contexts = _cells()
    doses = np.where(np.arange(60) < 30, 1.0, 10.0)
    perturbations = [p[:1] for p in perturbations]
    table = EffectTable.from_cells(
        sparse.csr_matrix(values), perturbations, [""] * 60, GENES, doses
    )
    assert table.doses.tolist() == [1.0, 10.0]


def test_rows_are_selected_and_asked_for():
    table = EffectTable.from_effects(np.eye(3), [("A",), ("B",), ("C",)], ["T"] * 3, GENES)
    part = table.where(np.array([False, True, True]))
    assert part.perturbations == (("B",), ("C",))
    np.testing.assert_array_equal(part.effects, np.eye(3, dtype=np.float32)[1:])
    assert Query.rows_of(part).perturbations == part.perturbations


def test_a_context_without_controls_is_refused():
    values = sparse.csr_matrix(np.ones((3, 3), np.float32))
    with pytest.raises(ScmambaError, match="no cell of B is a control"):
        EffectTable.from_cells(values, [(), ("A",), ("A",)], ["T", "T", "B"], GENES)


def test_given_effects_are_checked():
    with pytest.raises(ScmambaError, match="two rows hold the effect of A in T"):
        EffectTable.from_effects(np.eye(3)[:2], [("A",), ("A",)], ["T", "T"], GENES)
    with pytest.raises(ScmambaError, match="NaN"):
        EffectTable.from_effects(np.full((1, 3), np.nan), [("A",)], ["T"], GENES)
