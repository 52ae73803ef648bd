"""Names, order and genome build of peaks; names of proteins."""

from __future__ import annotations

import anndata as ad
import pandas as pd
import pytest
from scipy import sparse

from scmamba import ScmambaError
from scmamba.stream.modalities import genome_order, parse_peaks, read_modalities
from scmamba.stream.modalities.peaks import peak_names, possible_builds
from scmamba.stream.modalities.proteins import isotype_controls, protein_names


@pytest.mark.parametrize("name", ["chr1:1-100", "chr1-1-100", "1_1_100", "chr1_1_100", "1:1-100"])
def test_spellings(name: str) -> None:
    assert peak_names(parse_peaks([name])).tolist() == ["chr1:1-100"]


def test_contigs_with_separators() -> None:
    found = parse_peaks(["chr1_KI270706v1_random-5-9", "hs37d5-1-2", "MT:1-5"])
    assert found["chrom"].tolist() == ["chr1_KI270706v1_random", "chrhs37d5", "chrM"]


def test_no_intervals() -> None:
    with pytest.raises(ScmambaError, match="1 of 2 peaks are not intervals.*'CD4'"):
        parse_peaks(["chr1:1-2", "CD4"])
    with pytest.raises(ScmambaError, match="end before they start"):
        parse_peaks(["chr1:5-2"])


def test_order() -> None:
    names = ["chrM:1-2", "chrY:1-2", "chr10:1-2", "chr9:7-8", "chr9:2-8", "chrX:3-4", "chrUn:1-2"]
    found = [names[i] for i in genome_order(parse_peaks(names))]
    assert found == [names[i] for i in (4, 3, 2, 5, 1, 0, 6)]


def test_builds() -> None:
    assert possible_builds(parse_peaks(["chr10:135500000-135500100"])) == ["hg19"]
    assert possible_builds(parse_peaks(["chr22:1-5"])) == ["hg38", "hg19"]


def test_inputs_of_two_builds() -> None:
    def one(names: list[str], cell: str) -> ad.AnnData:
        X = sparse.csr_matrix([[1.0] * len(names)])
        return ad.AnnData(X, pd.DataFrame(index=[cell]), pd.DataFrame(index=names))

    old, new = ["chr10:135500000-135500100"], ["chr11:135080000-135080100", "chr22:1-2"]
    with pytest.raises(ScmambaError, match="different genome builds .hg19 and hg38"):
        read_modalities([one(old, "a"), one(new, "b")])


def test_genes_and_peaks_of_two_builds() -> None:
    names = ["chr10:135500000-135500100"]
    peaks = ad.AnnData(sparse.csr_matrix([[1.0]]), var=pd.DataFrame(index=names))
    genes = ad.AnnData(sparse.csr_matrix([[1.0]]), var=pd.DataFrame(index=["LAST"]))
    genes.var[["chrom", "start", "end"]] = ["chr11", 135080000, 135080100]
    with pytest.raises(ScmambaError, match="genes .* and peaks are of different genome builds"):
        read_modalities({"rna": genes, "atac": peaks})


def test_peaks_of_no_known_build_are_told(caplog: pytest.LogCaptureFixture) -> None:
    peaks = ad.AnnData(sparse.csr_matrix([[1.0]]), var=pd.DataFrame(index=["chr1:1-999000000"]))
    with caplog.at_level("WARNING", logger="scmamba"):
        read_modalities({"atac": peaks})
    assert "peaks reach beyond the chromosomes of hg38, hg19, mm10, mm39" in caplog.text


def test_proteins() -> None:
    given = ["CD3_TotalSeqB", "CD4-TotalSeq-C", "ADT_CD5", "anti-human CD8", "CD3-TotalSeqC"]
    short = ["CD3_TotalSeqB", "CD4", "CD5", "CD8", "CD3-TotalSeqC"]
    assert protein_names(given).tolist() == short


def test_controls() -> None:
    yes = ["IgG2a-control", "IgG1_isotype", "Mouse IgG1", "rat_IgG2b_Ctrl", "IgG1_TotalSeqB"]
    no = ["CD3", "IgD", "IgM", "HLA-DR", "TIGIT", "SIGLEC1"]
    assert isotype_controls(yes).all() and not isotype_controls(no).any()
