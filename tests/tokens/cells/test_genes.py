"""Gene names find their gene, or say why not."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.tokens import Vocab, resolve
from scmamba.tokens.cells.gene_table import GeneTable, human_genes

SYMBOLS = ["GAPDH", "CD3E", "HLA-DRA", "KMT2A", "SEPTIN2", "C1orf112", "MATR3"]
IDS = ["ENSG00000111640", "ENSG00000198851", "ENSG00000204287", "ENSG00000118058"]


def found(names: list[str], targets: list[str]) -> list[str | None]:
    return [targets[i] if i >= 0 else None for i in resolve(names, targets).index]


@pytest.mark.parametrize(
    ("name", "target", "way"),
    [
        ("CD3E", "CD3E", "exact"),
        ("cd3e", "CD3E", "case"),
        ("C1ORF112", "C1orf112", "case"),
        ("HLA.DRA", "HLA-DRA", "case"),
        ("ENSG00000198851", "CD3E", "ensembl"),
        ("ENSG00000198851.17", "CD3E", "ensembl"),
        ("ensg00000198851", "CD3E", "ensembl"),
        ("ENSG00000015479", "MATR3", "ensembl"),
        ("ENSG00000280987", "MATR3", "ensembl"),
        ("MLL", "KMT2A", "previous_or_alias"),
        ("HRX", "KMT2A", "previous_or_alias"),
        ("mll", "KMT2A", "previous_or_alias"),
        ("SEPT2", "SEPTIN2", "previous_or_alias"),
    ],
)
def test_ways_to_a_symbol(name: str, target: str, way: str) -> None:
    match = resolve([name], SYMBOLS)
    assert SYMBOLS[match.index[0]] == target
    assert {k for k, n in match.how.items() if n} == {way}


@pytest.mark.parametrize("version", ["", ".4"])
@pytest.mark.parametrize("name", ["CD3E", "cd3e", "ENSG00000198851", "ENSG00000198851.9"])
def test_ensembl_targets(name: str, version: str) -> None:
    targets = [gene + version for gene in IDS]
    assert resolve([name, "MLL"], targets).index.tolist() == [1, 3]


def test_an_old_vocabulary_is_found_by_new_names() -> None:
    assert found(["KMT2A", "SEPTIN2"], ["MLL", "SEPT2"]) == ["MLL", "SEPT2"]


def test_one_meaning_or_none() -> None:
    table = GeneTable([["A", "1", "", "OLD|OFF", "AL|B"], ["B", "2", "3|4", "OFF", "AL|OLD"]])
    meant = {name: table.identify(name) for name in ("A", "b", "AL", "OLD", "OFF", "x")}
    assert meant["A"] == (0, 0)
    assert meant["b"] == (1, 1)  # its symbol, not A's alias
    assert meant["OLD"] == (0, 2)  # A's previous symbol, not B's alias
    assert meant["AL"] is None and meant["OFF"] is None and meant["x"] is None
    assert table.identify("ENSG00000000002.1") == (1, 0)
    assert table.identify("ENSG00000000004") == (1, 1)
    assert table.identify("ENSG00000000009") is None


def test_ambiguous_targets_match_nothing() -> None:
    assert found(["Y_RNA"], ["ENSG00000195401", "ENSG00000199200"]) == [None]  # one of hundreds
    assert found(["Abc"], ["ABC", "abc"]) == [None]


def test_every_id_of_gencode_is_its_symbols() -> None:
    table = human_genes()
    symbols = list(table._symbol)[::50]
    ids = [f"ENSG{number:011d}" for number in list(table._main)[::50]]
    assert (resolve(symbols, symbols).index == np.arange(len(symbols))).all()
    match = resolve(ids, list(table._symbol))
    assert match.index.tolist() == [table._main[int(i[4:])] for i in ids]


def test_two_names_of_one_gene() -> None:
    match = resolve(["MLL", "KMT2A", "kmt2a", "CD3E", "CD3E"], SYMBOLS)
    assert match.index.tolist() == [-1, 3, -1, 1, 1]  # exact wins; equals are both kept
    assert match.n_shadowed == 2 and match.n_matched == 3 and match.missing == ()
    assert "2 left out, as another name matches" in match.report()


def test_report_and_counts() -> None:
    match = resolve(["CD3E", "gapdh", "nothing", ""], SYMBOLS)
    assert (match.n_names, match.n_matched, match.missing) == (4, 2, ("nothing", ""))
    assert match.report() == (
        "2 of 4 genes matched (exact 1, case 1); 2 unknown, such as nothing, (empty)"
    )
    assert match.require() is match


def test_order_of_names_changes_nothing() -> None:
    names = ["MLL", "KMT2A", "CD3E", "x", "ENSG00000198851", "gapdh"]
    order = np.random.default_rng(0).permutation(len(names))
    straight, shuffled = resolve(names, SYMBOLS), resolve([names[i] for i in order], SYMBOLS)
    assert shuffled.index.tolist() == straight.index[order].tolist()


def test_special_tokens_are_no_genes() -> None:
    vocab = Vocab(["CD3E", "GAPDH"])
    match = resolve(["<cls>", "CD3E"], vocab.tokens)
    assert match.index.tolist() == [-1, 0] and match.n_targets == 2


def test_share_is_of_the_smaller_side() -> None:
    many = [f"gene{i}" for i in range(100)] + ["CD3E", "GAPDH"]
    assert resolve(many, ["CD3E", "GAPDH"]).fraction == 1
    assert resolve(["CD3E", "x"], SYMBOLS).fraction == 0.5
    assert resolve(["CD3E", "CD3E", "x", "y", "z"], SYMBOLS).fraction == 0.25
    assert resolve([], SYMBOLS).fraction == 0


def test_too_few_matches_are_told_with_examples() -> None:
    with pytest.raises(ScmambaError, match="only 1 of 3 .* given: x1, x2; known: GAPDH"):
        resolve(["CD3E", "x1", "x2"], SYMBOLS).require()
    with pytest.raises(ScmambaError, match="pass its name as gene_key"):
        resolve(["0", "1"], SYMBOLS).require()


@pytest.mark.parametrize(
    ("names", "species", "organism"),
    [
        (["Cd3e", "Gapdh", "Kmt2a", "mt-Co1", "H2-Aa"], "mouse", "mmusculus"),
        (["ENSMUSG00000032093", "ENSMUSG00000032094.3"], "mouse", "mmusculus"),
        (["ENSRNOG00000032093"], "rat", "rnorvegicus"),
        (["ENSDARG00000032093"], "zebrafish", "drerio"),
    ],
)
def test_other_species_are_named_not_matched(names: list[str], species: str, organism: str) -> None:
    match = resolve(names, SYMBOLS)
    assert match.n_matched == 0 and match.species_hint == species
    with pytest.raises(ScmambaError, match=f"look like {species} genes.*{organism}.*gene_key"):
        match.require()


def test_a_mouse_vocabulary_takes_mouse_genes() -> None:
    match = resolve(["Cd3e", "Gapdh"], ["Gapdh", "Cd3e", "Actb"])
    assert match.index.tolist() == [1, 0] and match.species_hint is None


def test_human_open_reading_frames_are_not_mouse() -> None:
    names = ["C1orf112", "C2orf1", "C3orf2", "CXorf9"]
    assert resolve(names, ["GAPDH"] * 9).species_hint is None


MANY = ["GAPDH", "CD3E", "HLA-DRA", "KMT2A", "SEPTIN2", "C1orf112", "MATR3", "MT-CO1", "PTPRC"]


@pytest.mark.parametrize(
    "around",
    [
        "GRCh38_{}", "hg19_{}", "GRCh38premrna-{}", "gene-{}", "gene:{}", "{}__chr1",
        "{}_TotalSeqB", "hg38___{}", "GRCh38______{}", "gene-{}_ensembl", "human|{}", "rna.{}",
    ],
)  # fmt: skip
def test_what_is_around_all_names_is_taken_off(around: str) -> None:
    names = [around.format(name) for name in MANY]
    match = resolve(names, MANY)
    assert match.index.tolist() == list(range(len(MANY)))
    assert match.species_hint is None and "removed" in match.report()
    back = resolve(MANY, names)  # a model of such names
    assert back.index.tolist() == list(range(len(MANY)))
    assert resolve(names, names).affix == ""


@pytest.mark.parametrize("around", ["GRCh38_{}", "gene:{}", "{}_TotalSeqB"])
def test_ids_with_something_around_them(around: str) -> None:
    match = resolve([around.format(name + ".4") for name in IDS], SYMBOLS)
    assert match.index.tolist() == [0, 1, 2, 3] and match.how["ensembl"] == 4


def test_each_gene_with_its_own_chromosome() -> None:
    names = [
        f"{name}__chr{place}" for name, place in zip(MANY, [*range(1, 8), "X", "MT"], strict=True)
    ]
    assert resolve(names, MANY).index.tolist() == list(range(len(MANY)))


def test_two_genomes_in_one_matrix() -> None:
    mouse = [f"mm10___{name.title()}" for name in MANY]
    match = resolve([*mouse, *(f"GRCh38_{name}" for name in MANY)], MANY)
    assert match.index[: len(MANY)].max() == -1
    assert match.index[len(MANY) :].tolist() == list(range(len(MANY)))


def test_names_that_share_a_part_of_their_own_keep_it() -> None:
    assert resolve(["MT-CO1", "MT-ND1", "MT-ND2"], ["MT-ND2", "MT-CO1", "CO1"]).index.tolist() == [
        1, -1, 0
    ]  # fmt: skip


def test_numbers_behind_a_word_are_no_genes_of_another_word() -> None:
    cells, genes = [f"cell_{i}" for i in range(9)], [f"gene_{i}" for i in range(9)]
    assert resolve(cells, genes).n_matched == 0


def test_a_wrong_guess_of_the_species_leaves_the_other_ways() -> None:
    """Half of the names look like mouse; ids and capitals are matched all the same."""
    names = ["Aaa1", "Bbb2", "Ccc3", "Ddd4", "ENSG00000198851", "MLL", "hla.dra"]
    match = resolve(names, SYMBOLS)
    assert match.index.tolist() == [-1, -1, -1, -1, 1, 3, 2]
    assert match.species_hint is None or match.species_hint == "mouse"


def test_mouse_genes_with_a_prefix_are_called_mouse() -> None:
    names = [f"mm10_{name}" for name in ("Cd3e", "Gapdh", "Kmt2a", "mt-Co1", "H2-Aa")]
    with pytest.raises(ScmambaError, match="look like mouse"):
        resolve(names, SYMBOLS).require()


def test_a_match_shows_its_report() -> None:
    match = resolve(["CD3E", "unheard_of"], SYMBOLS)
    assert repr(match) == match.report()
    assert repr(match).startswith("1 of 2 genes matched")
