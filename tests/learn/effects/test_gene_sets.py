import numpy as np
import pandas as pd
import pytest

from scmamba._errors import ScmambaError
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.gene_sets import GeneSets


def test_similarity_is_the_cosine_of_inverse_frequency_weights():
    sets = {"x": ["a", "b"], "y": ["a", "c", "d"], "z": ["b", "c"]}
    genes = ["a", "b", "c", "d"]
    member = np.array([[gene in one for one in sets.values()] for gene in genes], float)
    weighted = member * np.log(4 / member.sum(0))
    unit = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
    found = GeneSets.of(sets).similarity(genes, genes)
    np.testing.assert_allclose(found, unit @ unit.T, rtol=1e-12, atol=1e-12)


def test_genes_in_no_set_are_like_none():
    found = GeneSets.of({"x": ["a", "b"]})
    assert found.similarity(["?"], ["a", "?"]).tolist() == [[0.0, 0.0]]
    assert found.known(["a", "?"]).tolist() == [True, False]


def test_shipped_sets_know_pathways():
    human = GeneSets.human()
    near = human.similarity(["IFNGR1"], ["IFNGR2", "GAPDH"])[0]
    assert near[0] > 0.5 > near[1]


@pytest.mark.parametrize("name", ["MARCH5", "ENSG00000198060", "Marchf5"])
def test_shipped_sets_know_genes_by_earlier_symbols_ids_and_other_cases(name):
    human = GeneSets.human()
    others = list(human.rows)[:500]
    expected = human.similarity(["MARCHF5"], others)
    assert expected.sum() > 0
    np.testing.assert_array_equal(human.similarity([name], others), expected)
    own = GeneSets.of({"x": ["MARCHF5", "b"]})
    assert own.known([name]).tolist() == [False]


def test_genes_in_no_set_are_still_genes():
    sets = GeneEmbeddings(GeneSets.human())
    assert sets.known(["C14orf178", "dexamethasone"]) == [True, False]
    assert sets.kernels(["C14orf178"], ["STAT1"])["gene sets"].tolist() == [[0.0]]


def test_files_are_read_and_others_refused(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("x\thttp\ta\tb\ny\t\tb\tc\td\n")
    assert set(GeneSets.read(path).rows) == set("abcd")
    path.write_text("not a table\n")
    with pytest.raises(ScmambaError, match="no GMT file"):
        GeneSets.read(path)
    with pytest.raises(ScmambaError, match="there is no file"):
        GeneSets.read(tmp_path / "missing.gmt")


def test_embeddings_are_checked():
    table = pd.DataFrame([[1.0], [np.nan]], index=["a", "b"])
    with pytest.raises(ScmambaError, match="not finite"):
        GeneEmbeddings(tables={"mine": table})
    with pytest.raises(ScmambaError, match="twice"):
        GeneEmbeddings(tables={"mine": pd.DataFrame([[1.0], [2.0]], index=["a", "a"])})
