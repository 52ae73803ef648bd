"""``scmamba variant-effects``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def variant_effects(vcf: Path, *, fasta: Path, output: Path, model: str, **options: Any) -> None:
    """Write how likely a model finds both alleles of each variant.

    Parameters
    ----------
    vcf
        VCF file, plain or gzipped.
    fasta
        The genome, plain or bgzipped.
    output
        Table to write, .csv or .tsv: one row per alternative allele.
    model
        A registered name or a folder with a model.
    """
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks.sequence import variant_effects as task

    table_file(output)
    table = task(vcf, fasta, model, **options)
    write_table(table, output)
    print(f"{output}: {len(table):,} alleles")
