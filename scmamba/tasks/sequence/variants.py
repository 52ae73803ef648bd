"""Effects of variants of a genome, by how likely a model finds both alleles."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.tasks.sequence._edits import Edit
from scmamba.tasks.sequence._effects import likelihood_effects
from scmamba.tasks.sequence._fasta import open_genome
from scmamba.tasks.sequence._model import Model, language_model, needs_both_strands
from scmamba.tasks.sequence._vcf import Variant, read_vcf
from scmamba.tokens.nucleotides import NucleotideTokenizer

if TYPE_CHECKING:
    from pyfaidx import Fasta

_AT_ONCE = 4096
"""Windows that are held at a time."""


def variant_effects(
    vcf: str | os.PathLike[str],
    fasta: str | os.PathLike[str],
    model: Model,
    *,
    window: int = 512,
    both_strands: bool | None = None,
    flank: int = 5,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Log-likelihood ratio of the alternative to the reference allele of each variant.

    A masked model is asked at the site: of single-nucleotide variants the log-probabilities of
    both alleles under one mask, as the plant models' zero-shot score (Zhai et al., 2025, PNAS,
    doi:10.1073/pnas.2421738122); of others the pseudo-log-likelihood of the allele and of ``flank``
    nucleotides on each side, each masked alone. A causal model compares the whole window. Negative
    is unexpected, hence perhaps harmful.

    Parameters
    ----------
    vcf
        VCF file, plain or gzipped; each alternative allele of a record is a row.
    fasta
        The genome, plain or bgzipped; an index is made where there is none.
    model
        A model, a folder with one (of our format or a published one), or a registered name.
    window
        Nucleotides of the reference around each variant, fewer at the ends of a chromosome.
    both_strands
        Average over both strands; equivariant models (PS) do so by themselves. None: True for
        models of DNA.
    flank
        Nucleotides on each side that a masked model compares where lengths differ.
    batch_size
        Sequences a batch; None: as many as a fixed number of tokens holds. Changes no result.

    Returns
    -------
    A row an alternative allele, as in the file: ``chrom``, ``pos`` (from 1), ``id``, ``ref``,
    ``alt``; ``ref_score`` and ``alt_score``, log-likelihoods in nats; ``llr``, their difference;
    ``change``, what it would be at equal length, by the means of a nucleotide: an insertion alone
    makes any sequence less likely. Of substitutions both are the same, where a token is one
    nucleotide. NaN for alleles that are not spelled out (``<DEL>``, ``*``).

    Raises
    ------
    ScmambaError
        A file is missing or damaged, a chromosome is not in the FASTA, a reference allele is not
        what the genome has there, a variant is longer than the window, or the model does not load.
    """
    if window < 1 or flank < 1:
        raise ScmambaError(f"window={window}, flank={flank}; give at least 1")
    variants = list(read_vcf(Path(vcf)))
    if not variants:
        raise ScmambaError(f"{vcf} holds no variant")
    spelled = [variant for variant in variants if variant.spelled]
    if len(spelled) < len(variants):
        logger.warning(
            "%d of %d alleles are not spelled out (such as %s); they get no score",
            len(variants) - len(spelled),
            len(variants),
            next(variant for variant in variants if not variant.spelled),
        )
    with open_genome(fasta) as genome:
        check_alleles(variants, genome, fasta)
        check_lengths(spelled, window)
        net = language_model(model)
        parts = [np.zeros((4, 0))]
        for i in range(0, len(spelled), _AT_ONCE):
            sites = (site(variant, genome, window) for variant in spelled[i : i + _AT_ONCE])
            effects = likelihood_effects(
                net,
                *_as_read(sites, net.tokenizer),
                both_strands=needs_both_strands(net, both_strands, default=True),
                flank=flank,
                batch_size=batch_size,
            )
            parts.append(np.stack([effects.ref, effects.alt, effects.ratio, effects.change]))
    names = [(v.chrom, v.pos, v.id, v.ref, v.alt) for v in variants]
    table = pd.DataFrame(names, columns=["chrom", "pos", "id", "ref", "alt"])
    scores = np.full((4, len(variants)), np.nan)
    scores[:, [variant.spelled for variant in variants]] = np.concatenate(parts, axis=1)
    columns = zip(("ref_score", "alt_score", "llr", "change"), scores, strict=True)
    return table.assign(**dict(columns))


def check_alleles(
    variants: Sequence[Variant], genome: Fasta, fasta: str | os.PathLike[str]
) -> None:
    """Check every reference allele against the genome.

    Raises
    ------
    ScmambaError
        A chromosome is missing, a variant lies beyond its end, or the alleles differ; the first is
        named, with both alleles, and how many others there are.
    """
    wrong = []
    for variant in variants:
        if variant.chrom not in genome:
            names = ", ".join(list(genome.keys())[:5])
            raise ScmambaError(
                f"variant {variant}: {fasta} has no sequence {variant.chrom!r}, but {names}, ...; "
                "rename the chromosomes of one of the files"
            )
        start = variant.pos - 1
        there = str(genome[variant.chrom][start : start + len(variant.ref)]).upper()
        if there != variant.ref:
            wrong.append((variant, there))
    if wrong:
        variant, there = wrong[0]
        raise ScmambaError(
            f"variant {variant}: the reference allele is {variant.ref!r}, but {fasta} has "
            f"{there!r} there ({len(wrong)} of {len(variants)} alleles differ); use the genome "
            "that the variants were called on, or leave such records out (bcftools norm -c x)"
        )


def check_lengths(variants: Sequence[Variant], window: int) -> None:
    """Check that every change leaves half a window of what does not change.

    Raises
    ------
    ScmambaError
        One does not; it is named.
    """
    for variant in variants:
        ref, alt, _ = variant.trimmed
        if max(len(ref), len(alt)) > window // 2:
            raise ScmambaError(
                f"variant {variant} changes {max(len(ref), len(alt)):,} nucleotides, more than "
                f"half of window={window}; give a larger window, or leave it out"
            )


def site(variant: Variant, genome: Fasta, window: int) -> tuple[str, Edit]:
    """The reference around a variant, and the variant in it.

    The window has ``(window - 1) // 2`` nucleotides before the change's middle, unless the
    chromosome begins there.
    """
    ref, alt, first = variant.trimmed
    chromosome = genome[variant.chrom]
    start = max(first + len(ref) // 2 - (window - 1) // 2, 0)
    sequence = str(chromosome[start : min(start + window, len(chromosome))]).upper()
    known = re.sub("[^ACGT]", "N", sequence)
    return known, Edit(first - start, first - start + len(ref), alt)


def _as_read(
    sites: Iterable[tuple[str, Edit]], tokenizer: NucleotideTokenizer
) -> tuple[list[str], list[Edit]]:
    """Sequences and changes in the model's alphabet."""
    sequences, edits = zip(*sites, strict=True)
    clean = [replace(e, alt=tokenizer.clean(e.alt)) if e.alt else e for e in edits]
    return [tokenizer.clean(sequence) for sequence in sequences], clean
