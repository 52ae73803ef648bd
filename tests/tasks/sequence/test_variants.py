"""Variants against alleles spelled out and scored one at a time."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba._settings import settings
from scmamba.tasks.sequence import mutagenesis, score, variant_effects
from scmamba.tasks.sequence._vcf import Variant
from tests.tasks.sequence.oracle import log_probs, random_sequences, turned

GENOME = dict(zip(["chr1", "chr2"], random_sequences([90, 40], seed=4), strict=True))
CLOSE = {"rtol": 0, "atol": 1e-4}
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def other(letter: str, n: int = 1) -> str:
    return "ACGT"[("ACGT".index(letter) + n) % 4]


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    lines = [f">{name}\n{text[:50].lower()}\n{text[50:]}\n" for name, text in GENOME.items()]
    path.write_text("".join(lines).replace("\n\n", "\n"))
    return path


@pytest.fixture
def write_vcf(tmp_path: Path):
    def write(*rows: tuple, name: str = "v.vcf") -> Path:
        text = HEAD + "".join("\t".join(map(str, row)) + "\t.\t.\t.\n" for row in rows)
        data = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def substitution(chrom: str, pos: int, n: int = 1) -> tuple:
    ref = GENOME[chrom][pos - 1]
    return chrom, pos, f"rs{pos}", ref, other(ref, n)


@pytest.mark.parametrize("kind", ["causal1", "kmers", "ph", "ps"])
def test_substitutions_as_by_mutagenesis_of_the_window(models, fasta, write_vcf, kind) -> None:
    """At the middle, and at both ends of a chromosome, where windows are cut short."""
    rows = [substitution("chr1", pos) for pos in (1, 9, 45, 90)] + [substitution("chr2", 20, 2)]
    found = variant_effects(write_vcf(*rows), fasta, models[kind], window=20)
    assert found[["chrom", "pos", "id", "ref", "alt"]].to_numpy().tolist() == [
        list(r) for r in rows
    ]
    for row in found.itertuples():
        start = max(row.pos - 1 - 9, 0)
        text = GENOME[row.chrom][start : start + 20]
        at = row.pos - 1 - start
        table = mutagenesis(
            text, models[kind], start=at, stop=at + 1, both_strands=True if kind != "ps" else None
        )
        expected = table.loc[table["alt"] == row.alt, ["score", "llr", "change"]].iloc[0]
        scores = [row.alt_score, row.llr, row.change]
        np.testing.assert_allclose(scores, expected.tolist(), **CLOSE)
        assert row.llr == pytest.approx(row.alt_score - row.ref_score)


def test_causal_windows_as_by_score(models, fasta, write_vcf) -> None:
    """Insertion, deletion and exchange of three, by both strands of the whole window."""
    text, model = GENOME["chr1"], models["causal1"]
    rows = [
        ("chr1", 40, ".", text[39], text[39] + "GATTA"),
        ("chr1", 50, ".", text[49:54], text[49]),
        ("chr1", 60, ".", text[59:62], "".join(map(other, text[59:62]))),
    ]
    found = variant_effects(write_vcf(*rows), fasta, model, window=30)
    edits = [(40, 40, "GATTA"), (50, 54, ""), (59, 62, rows[2][4])]
    for row, (first, last, alt) in zip(found.itertuples(), edits, strict=True):
        start = first + (last - first) // 2 - 14
        before = text[start : start + 30]
        after = text[start:first] + alt + text[last : start + 30]
        pair = [before, after]
        both = score(pair, model) + score([turned(s) for s in pair], model)
        ref, mutant = both["log_likelihood"] / 2
        n, m = both["n_nucleotides"] / 2
        np.testing.assert_allclose(
            [row.ref_score, row.alt_score, row.llr, row.change],
            [ref, mutant, mutant - ref, mutant * n / m - ref],
            **CLOSE,
        )


def test_masked_indels_as_by_hand(models, fasta, write_vcf) -> None:
    """A deletion of four: itself and three nucleotides on each side, before and after."""
    text, model = GENOME["chr1"], models["ph"]
    row = ("chr1", 50, ".", text[49:54], text[49])
    found = variant_effects(
        write_vcf(row), fasta, model, window=30, flank=3, both_strands=False
    ).iloc[0]
    start = 52 - 14
    before = text[start : start + 30]
    at = 50 - start
    ref = sum(log_probs(model, before)[at - 3 : at + 4 + 3])
    alt = sum(log_probs(model, before[:at] + before[at + 4 :])[at - 3 : at + 3])
    np.testing.assert_allclose(
        found[["ref_score", "alt_score", "llr", "change"]].tolist(),
        [ref, alt, alt - ref, alt * 10 / 6 - ref],
        **CLOSE,
    )


@pytest.mark.parametrize("kind", ["causal1", "ph", "ps"])
def test_the_strand_of_the_genome_changes_nothing(models, tmp_path, write_vcf, kind) -> None:
    text = GENOME["chr1"]
    (tmp_path / "a.fa").write_text(f">c\n{text}\n")
    (tmp_path / "b.fa").write_text(f">c\n{turned(text)}\n")
    ref, alt = text[44], other(text[44])
    given = write_vcf(("c", 45, ".", ref, alt))
    one = variant_effects(given, tmp_path / "a.fa", models[kind], window=21)
    given = write_vcf(("c", 46, ".", turned(ref), turned(alt)))
    two = variant_effects(given, tmp_path / "b.fa", models[kind], window=21)
    assert one["llr"][0] == pytest.approx(two["llr"][0], abs=1e-4)
    assert abs(one["llr"][0]) > 1e-3


@pytest.mark.parametrize("name", ["v.vcf", "v.vcf.gz"])
def test_records_with_several_alleles_or_none(models, fasta, write_vcf, name) -> None:
    ref = GENOME["chr1"][29]
    alts = [other(ref, n) for n in (1, 2, 3)]
    given = write_vcf(
        ("chr1", 30, "x", ref, ",".join(alts)),
        ("chr1", 31, ".", GENOME["chr1"][30], "."),
        name=name,
    )
    found = variant_effects(given, fasta, models["ph"], window=15)
    assert found["alt"].tolist() == alts
    one = write_vcf(("chr1", 30, "x", ref, alts[1]))
    single = variant_effects(one, fasta, models["ph"], window=15)
    assert found["llr"][1] == pytest.approx(single["llr"][0], abs=1e-5)


def test_letters_that_alleles_share_are_no_change(models, fasta, write_vcf) -> None:
    """A substitution written with its neighbors is a substitution still."""
    text = GENOME["chr1"]
    plain = substitution("chr1", 45)
    long = ("chr1", 43, ".", text[42:47], text[42:44] + plain[4] + text[45:47])
    found = variant_effects(write_vcf(plain, long), fasta, models["ps"], window=20)
    assert found["llr"][0] == found["llr"][1]


def test_alleles_that_are_not_spelled_out_are_kept_without_a_score(
    models, fasta, write_vcf, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(settings, "verbosity", "info")
    ref = GENOME["chr1"][29]
    rows = [("chr1", 30, ".", ref, alt) for alt in ("<DEL>", "*", f"{ref}[chr2:5[")]
    found = variant_effects(write_vcf(*rows, substitution("chr1", 40)), fasta, models["ph"])
    assert found["llr"].isna().tolist() == [True, True, True, False]
    assert "3 of 4 alleles are not spelled out" in capsys.readouterr().err
    assert variant_effects(write_vcf(*rows), fasta, models["ph"])["llr"].isna().all()


def test_unknown_letters_of_the_genome_are_n(models, tmp_path, write_vcf) -> None:
    (tmp_path / "a.fa").write_text(">c\nACGRNACGTT\n")
    (tmp_path / "b.fa").write_text(">c\nACGNNACGTT\n")
    given = write_vcf(("c", 7, ".", "C", "A"))
    one, two = (variant_effects(given, tmp_path / f, models["ph"]) for f in ("a.fa", "b.fa"))
    assert one.equals(two)


def test_a_reference_allele_where_the_genome_has_an_ambiguity_code(
    models, tmp_path, write_vcf, monkeypatch, capsys
) -> None:
    """By the first letter in the alphabet, another it stands for, the code itself, or N."""
    monkeypatch.setattr(settings, "verbosity", "info")
    (tmp_path / "a.fa").write_text(">c\nACGRTACGTT\n")
    (tmp_path / "b.fa").write_text(">c\nACGATACGTT\n")
    rows = [("c", 4, ".", ref, "T") for ref in ("A", "G", "N", "R")]
    given = write_vcf(*rows, ("c", 7, ".", "C", "A"))
    found = variant_effects(given, tmp_path / "a.fa", models["ph"])
    assert found["llr"].isna().tolist() == [False, False, True, True, False]
    assert "2 of 5 alleles replace unknown nucleotides" in capsys.readouterr().err
    plain = variant_effects(write_vcf(rows[0]), tmp_path / "b.fa", models["ph"])
    assert found["llr"][0] == pytest.approx(plain["llr"][0], abs=1e-5)
    for ref in ("C", "T", "Y"):
        with pytest.raises(ScmambaError, match=f"reference allele is '{ref}', but .* has 'R'"):
            variant_effects(write_vcf(("c", 4, ".", ref, "A")), tmp_path / "a.fa", models["ph"])


def test_an_index_of_another_genome_is_not_read(models, fasta, write_vcf, tmp_path) -> None:
    (tmp_path / "genome.fa.fai").write_text("chr1\t40\t6\t40\t41\n")
    given = write_vcf(substitution("chr1", 45), substitution("chr2", 20))
    found = variant_effects(given, fasta, models["ph"], window=20)
    (tmp_path / "genome.fa.fai").unlink()
    assert found.equals(variant_effects(given, fasta, models["ph"], window=20))


def test_chromosomes_in_any_order(models, fasta, write_vcf) -> None:
    rows = [substitution(chrom, pos) for pos in (20, 25) for chrom in ("chr2", "chr1")]
    found = variant_effects(write_vcf(*rows), fasta, models["ph"], window=20)
    assert found[["chrom", "pos"]].to_numpy().tolist() == [list(row[:2]) for row in rows]
    one = variant_effects(write_vcf(rows[3]), fasta, models["ph"], window=20)
    assert found["llr"][3] == pytest.approx(one["llr"][0], abs=1e-5)


def test_long_alleles_are_trimmed_at_once() -> None:
    same = "A" * 500_000
    variant = Variant("c", 1, ".", same + "C" + same, same + "G" + same, 1)
    assert variant.trimmed == ("C", "G", 500_000)


def test_rna_models_read_the_genome_as_u(models, fasta, write_vcf) -> None:
    found = variant_effects(write_vcf(substitution("chr1", 45)), fasta, models["rna"], window=20)
    text = GENOME["chr1"][35:55].replace("T", "U")
    table = mutagenesis(text, models["rna"], start=9, stop=10)
    alt = other(GENOME["chr1"][44]).replace("T", "U")
    expected = table.loc[table["alt"] == alt, "llr"].iloc[0]
    assert found["llr"][0] == pytest.approx(expected, abs=1e-4)


def wrong(chrom: str, pos: int) -> tuple:
    """A substitution whose reference allele is not there."""
    *place, ref, alt = substitution(chrom, pos)
    return (*place, alt, ref)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [
                substitution("chr1", 5),
                wrong("chr1", 30),
                wrong("chr2", 9),
            ],
            {},
            f"variant chr1:30 .* reference allele is '{other(GENOME['chr1'][29])}', but .* has "
            f"'{GENOME['chr1'][29]}' there \\(2 of 3",
        ),
        ([("chr1", 90, ".", GENOME["chr1"][89] + "A", "A")], {}, "line 3.* beyond the end of chr1"),
        ([("chr1", 95, ".", "A", "C")], {}, "beyond the end of chr1, which has 90 nucleotides"),
        ([("chr1", 9_999_999_999, ".", "A", "C")], {}, "beyond the end of chr1"),
        ([("7", 5, ".", "A", "C")], {}, "no sequence '7', but chr1, chr2"),
        ([("chr1", 0, ".", "A", "C")], {}, "line 3 is no VCF record"),
        ([("chr1", "x", ".", "A", "C")], {}, "line 3 is no VCF record"),
        ([("chr1", "\u00b2", ".", "A", "C")], {}, "line 3 is no VCF record"),
        ([("chr1", "1" * 5000, ".", "A", "C")], {}, "line 3 is no VCF record"),
        ([("", 5, ".", "A", "C")], {}, "line 3 is no VCF record"),
        ([("chr1", 5, ".", "X", "C")], {}, "line 3: REF is 'X'"),
        ([("chr1", 5, ".", "R", "C")], {}, "reference allele is 'R', but"),
        ([("chr1", 5, ".", "A", "1/1")], {}, "line 3: ALT is '1/1'"),
        ([], {}, "holds no variant"),
        (
            [("chr1", 20, ".", GENOME["chr1"][19:40], GENOME["chr1"][19])],
            {"window": 30},
            "changes 20 nucleotides, more than half of window=30",
        ),
        (
            [("chr1", 20, ".", GENOME["chr1"][19], "ACGTACGTAC" * 200)],
            {},
            r">ACGTACGTAC\.\.\.\(2,000 nt\) \(line 3\) changes 2,000",
        ),
        ([substitution("chr1", 5)], {"window": 0}, "window=0"),
        ([substitution("chr1", 5)], {"flank": 0}, "flank=0"),
    ],
)
def test_wrong_input_is_named_before_any_work(
    models, fasta, write_vcf, rows, options, message, monkeypatch
) -> None:
    monkeypatch.setattr("scmamba.tasks.sequence.variants.likelihood_effects", None)
    with pytest.raises(ScmambaError, match=message):
        variant_effects(write_vcf(*rows), fasta, models["ph"], **options)


def test_pieces_of_the_work_change_nothing(models, fasta, write_vcf, monkeypatch) -> None:
    given = write_vcf(*(substitution("chr1", pos) for pos in range(30, 40)))
    expected = variant_effects(given, fasta, models["causal1"], window=20)
    monkeypatch.setattr("scmamba.tasks.sequence.variants._AT_ONCE", 3)
    found = variant_effects(given, fasta, models["causal1"], window=20)
    np.testing.assert_allclose(found["llr"], expected["llr"], **CLOSE)


def test_missing_files_are_named(models, fasta, write_vcf, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="there is no file .*none.vcf"):
        variant_effects(tmp_path / "none.vcf", fasta, models["ph"])
    given = write_vcf(substitution("chr1", 5))
    with pytest.raises(ScmambaError, match="there is no file .*none.fa"):
        variant_effects(given, tmp_path / "none.fa", models["ph"])
