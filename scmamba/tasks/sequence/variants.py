"""Effects of variants of a genome, by how likely a model finds both alleles."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.tasks.sequence._edits import Edit
from scmamba.tasks.sequence._effects import likelihood_effects
from scmamba.tasks.sequence._genome import chromosomes
from scmamba.tasks.sequence._model import Model, language_model, needs_both_strands
from scmamba.tasks.sequence._vcf import Variant, read_vcf
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

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
    r"""Log-likelihood ratio of the alternative to the reference allele of each variant.

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
        Sequences per batch; None: as many as a fixed number of tokens holds. It changes no result.

    Returns
    -------
    One row per alternative allele, as in the file: ``chrom``, ``pos`` (from 1), ``id``, ``ref``,
    ``alt``; ``ref_score`` and ``alt_score``, log-likelihoods in nats; ``llr``, their difference;
    ``change``, what it would be at equal length, by the means of a nucleotide: an insertion alone
    makes any sequence less likely. Of substitutions both are the same, where a token is one
    nucleotide. NaN for alleles that are not spelled out (``<DEL>``, ``*``).

    Raises
    ------
    ScmambaError
        A file is missing or damaged, a chromosome is not in the FASTA, a reference allele is not
        what the genome has there, a variant is longer than the window, or the model does not load.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     vcf, fasta = Path(folder, "variants.vcf"), Path(folder, "genome.fa")
    ...     _ = fasta.write_text(">1\nACGTACGTACGTACGT\n")
    ...     _ = vcf.write_text(
    ...         "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    ...         "1\t5\trs1\tA\tG\t.\t.\t.\n"
    ...     )
    ...     effects = scmamba.tasks.sequence.variant_effects(vcf, fasta, model, window=8)
    >>> effects[["id", "ref", "alt"]].values.tolist()
    [['rs1', 'A', 'G']]
    """
    for name, value in (("window", window), ("flank", flank)):
        check_count(name, value, optional=False)
    check_count("batch_size", batch_size)
    variants = list(read_vcf(vcf))
    if not variants:
        raise ScmambaError(f"{vcf} holds no variant")
    _warn_unscored(variants)
    _check_lengths([variant for variant in variants if variant.spelled], window)
    _check_alleles(variants, fasta)
    net = language_model(model)
    scores = np.full((4, len(variants)), np.nan)
    sites = _sites(variants, fasta, window)
    while some := list(islice(sites, _AT_ONCE)):
        effects = likelihood_effects(
            net,
            *_as_read([(sequence, edit) for _, sequence, edit in some], net.tokenizer),
            both_strands=needs_both_strands(net, both_strands, default=True),
            flank=flank,
            batch_size=batch_size,
        )
        found = [effects.ref, effects.alt, effects.ratio, effects.change]
        scores[:, [i for i, _, _ in some]] = np.stack(found)
    names = [(v.chrom, v.pos, v.id, v.ref, v.alt) for v in variants]
    table = pd.DataFrame(names, columns=["chrom", "pos", "id", "ref", "alt"])
    columns = zip(("ref_score", "alt_score", "llr", "change"), scores, strict=True)
    return table.assign(**dict(columns))


def _warn_unscored(variants: Sequence[Variant]) -> None:
    """Log which alleles get no score."""
    for unscored, reason in (
        ([v for v in variants if not v.spelled], "are not spelled out"),
        ([v for v in variants if v.spelled and not v.known], "replace unknown nucleotides (N)"),
    ):
        if unscored:
            logger.warning(
                "%d of %d alleles %s (such as %s); they get no score",
                len(unscored),
                len(variants),
                reason,
                unscored[0],
            )


def _check_lengths(variants: Sequence[Variant], window: int) -> None:
    """Check that at least half of each window stays as it is.

    Raises
    ------
    ScmambaError
        One variant changes more; it is named.
    """
    for variant in variants:
        ref, alt, _ = variant.trimmed
        if max(len(ref), len(alt)) > window // 2:
            raise ScmambaError(
                f"variant {variant} changes {max(len(ref), len(alt)):,} nucleotides, more than "
                f"half of window={window}; give a larger window, or leave it out"
            )


def _check_alleles(variants: Sequence[Variant], fasta: str | os.PathLike[str]) -> None:
    """Check every reference allele against the genome.

    Raises
    ------
    ScmambaError
        A chromosome is missing, a variant lies beyond its end, or the alleles differ: the first is
        named, with both alleles, and how many others there are.
    """
    places = _by_chromosome(variants)
    names: list[str] = []
    wrong: dict[int, str] = {}
    for name, sequence in chromosomes(fasta, places):
        names.append(name)
        for i in places.pop(name) if sequence is not None else ():
            start = variants[i].pos - 1
            there = (sequence or "")[start : start + len(variants[i].ref)]
            if not variants[i].agrees(there):
                wrong[i] = _difference(variants[i], there, len(sequence or ""), fasta)
    if places:
        variant = variants[min(min(some) for some in places.values())]
        raise ScmambaError(
            f"variant {variant}: {fasta} has no sequence {variant.chrom!r}, but "
            f"{', '.join(names[:5])}{', ...' * (len(names) > 5)}; rename the chromosomes of one of "
            "the files"
        )
    if wrong:
        raise ScmambaError(
            f"{wrong[min(wrong)]} ({len(wrong)} of {len(variants)} alleles differ); use the genome "
            "that the variants were called on, or leave such records out (bcftools norm -c x)"
        )


def _difference(variant: Variant, there: str, length: int, fasta: str | os.PathLike[str]) -> str:
    if variant.pos + len(variant.ref) - 1 > length:
        return (
            f"variant {variant} lies beyond the end of {variant.chrom}, which has {length:,} "
            f"nucleotides in {fasta}"
        )
    shown = there if len(there) <= 20 else f"{there[:10]}..."
    return (
        f"variant {variant}: the reference allele is {variant.ref[:20]!r}, but {fasta} has "
        f"{shown!r} there"
    )


def _sites(
    variants: Sequence[Variant], fasta: str | os.PathLike[str], window: int
) -> Iterator[tuple[int, str, Edit]]:
    """Position of each variant that can be scored, its window, and the change in it."""
    places = _by_chromosome(variants)
    for name, sequence in chromosomes(fasta, places):
        for i in places[name] if sequence else ():
            if variants[i].spelled and variants[i].known:
                yield i, *_site(variants[i], sequence or "", window)


def _by_chromosome(variants: Sequence[Variant]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for i, variant in enumerate(variants):
        places.setdefault(variant.chrom, []).append(i)
    return places


def _site(variant: Variant, chromosome: str, window: int) -> tuple[str, Edit]:
    """Return the reference around a variant, and the variant in it.

    The window has ``(window - 1) // 2`` nucleotides before the change's middle, unless the
    chromosome begins there. The reference allele is as the variant has it, where the genome has
    an ambiguity code.
    """
    ref, alt, first = variant.trimmed
    start = max(first + len(ref) // 2 - (window - 1) // 2, 0)
    before = chromosome[start:first]
    behind = chromosome[first + len(ref) : start + window]
    sequence = re.sub("[^ACGT]", "N", before + ref + behind)
    return sequence, Edit(first - start, first - start + len(ref), alt)


def _as_read(
    sites: Iterable[tuple[str, Edit]], tokenizer: NucleotideTokenizer
) -> tuple[list[str], list[Edit]]:
    """Sequences and changes in the model's alphabet."""
    sequences, edits = zip(*sites, strict=True)
    clean = [replace(e, alt=tokenizer.clean(e.alt)) if e.alt else e for e in edits]
    return [tokenizer.clean(sequence) for sequence in sequences], clean
