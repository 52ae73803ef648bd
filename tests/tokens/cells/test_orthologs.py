"""Human names for mouse genes."""

from __future__ import annotations

import pytest

from scmamba import ScmambaError
from scmamba.tokens.cells.orthologs import as_human


def test_symbols_in_upper_case_that_are_human_genes() -> None:
    names = ["Cd3e", "mt-Co1", "Gm1234", "CD19", "H2-Ab1", ""]
    assert as_human(names, "mouse") == ["CD3E", "MT-CO1", "", "CD19", "", ""]
    assert as_human(names, "human") == names


def test_two_names_of_one_gene_are_left_out() -> None:
    assert as_human(["Cd3e", "CD3E", "Cd19"], "mouse") == ["", "", "CD19"]


def test_what_cannot_be_mapped_is_an_error() -> None:
    with pytest.raises(ScmambaError, match="Ensembl ids"):
        as_human(["ENSMUSG00000032093", "ENSMUSG00000030724"], "mouse")
    with pytest.raises(ScmambaError, match="organism='rat'"):
        as_human(["Cd3e"], "rat")
