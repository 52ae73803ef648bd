"""What counts as a MuData and what does not."""

import pandas as pd
import pytest

from scmamba import ScmambaError, pp
from scmamba.datasets import synthetic
from scmamba.pp._checks import rna_of


def test_a_table_is_no_mudata() -> None:
    """Although it has an attribute ``mod``: its method for remainders."""
    table = pd.DataFrame({"CD3E": [1.0, 0.0]})
    assert rna_of(table) is table
    with pytest.raises(ScmambaError, match="got a DataFrame.*wrap a table of cells by genes"):
        pp.expression(table)


def test_the_modality_of_a_mudata() -> None:
    mudata = pytest.importorskip("mudata")
    rna = synthetic(5, 4)
    assert rna_of(mudata.MuData({"rna": rna})).shape == (5, 4) and rna_of(rna) is rna
    with pytest.raises(ScmambaError, match="has no modality 'rna'; it has 'prot'"):
        rna_of(mudata.MuData({"prot": rna}))
