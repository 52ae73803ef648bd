"""In-silico mutagenesis: what every change of a sequence does to what a model says of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from scmamba._arguments import check_count, check_flag
from scmamba._errors import ScmambaError
from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence import _edits
from scmamba.tasks.sequence._effects import likelihood_effects
from scmamba.tasks.sequence._inputs import read_sequences
from scmamba.tasks.sequence._model import Model, is_causal, language_model, needs_both_strands
from scmamba.tasks.sequence._nucleotides import letters
from scmamba.tasks.sequence._saved import is_predictor
from scmamba.tasks.sequence._scorers import scorer, scores
from scmamba.tasks.sequence.fitted import load as load_predictor


def mutagenesis(
    sequence: Any,
    model: Model | Callable[[list[str]], Any] | Any,
    *,
    start: int = 0,
    stop: int | None = None,
    substitutions: bool = True,
    include_n: bool = False,
    deletions: int | Sequence[int] = (),
    fill_gaps: bool = False,
    insertions: str | Sequence[str] = (),
    cuts: bool = False,
    target: str | int | None = None,
    both_strands: bool | None = None,
    flank: int = 5,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Change a sequence in every way asked for, and score each change.

    A language model scores by log-likelihood. A causal one compares whole sequences; a masked one
    compares, where one nucleotide replaces another, the log-probabilities of both under one mask,
    and for other changes the pseudo-log-likelihood of the changed piece and of ``flank``
    nucleotides on each side, each masked alone.

    Parameters
    ----------
    sequence
        One sequence: text, or anything that holds just one, a FASTA file for example.
    model
        A language model, a folder with one, or a registered name; or a fitted predictor, a folder
        with one, or any function that takes a list of sequences and gives one number each.
    start
        First position to change, from 0. The model still reads the whole sequence.
    stop
        End position (exclusive); None: the end of the sequence.
    substitutions
        Try each of the other nucleotides at each position.
    include_n
        Also try N at each position.
    deletions
        Length of deletions, or several lengths: ``(1, 3)`` deletes each single nucleotide and each
        run of three.
    fill_gaps
        Fill deletions with N, so that the other nucleotides keep their positions.
    insertions
        Sequences to insert before each position and after the last.
    cuts
        Cut at each position, and lose what lies before it ("5' cut") or behind it ("3' cut").
    target
        Output to score, for a predictor with several: its name or position. None: the second of two
        classes.
    both_strands
        Average log-likelihoods over both strands; equivariant models (PS) do so by themselves.
        None: True for bidirectional models of DNA.
    flank
        Nucleotides on each side of a change that a masked model compares.
    batch_size
        Sequences per batch; None: as many as a fixed number of tokens holds. It changes no result.

    Returns
    -------
    A table with one row per change: ``kind`` ("substitution", "deletion", "gap", "insertion", "5'
    cut", "3' cut"); ``position``, from 0, of the first changed nucleotide, or the one before which
    is inserted or cut; ``ref`` and ``alt``, the nucleotides before and after the change; ``score``
    of the changed sequence; and ``change``, the score minus that of the given sequence. Language
    models also give ``llr``, the log-likelihood ratio; their ``change`` compares the mean
    log-likelihoods per nucleotide, scaled to the given length, since any deletion makes a sequence
    more likely. For substitutions both are the same where a token is one nucleotide.

    Raises
    ------
    ScmambaError
        There is not just one sequence, the region is not in it, no kind of change is asked for, an
        option does not go with the model, or a sequence holds an unknown character.

    Examples
    --------
    >>> import scmamba
    >>> def gc_content(sequences):
    ...     return [sum(map(text.count, "GC")) / len(text) for text in sequences]
    >>> changes = scmamba.tasks.sequence.mutagenesis("ACGT", gc_content, stop=1)
    >>> changes[["ref", "alt", "change"]].values.tolist()
    [['A', 'C', 0.25], ['A', 'G', 0.25], ['A', 'T', 0.0]]
    """
    check_count("start", start, least=-(2**62), optional=False)
    check_count("stop", stop, least=-(2**62))
    check_count("flank", flank, optional=False)
    for name, flag in (
        ("substitutions", substitutions),
        ("include_n", include_n),
        ("fill_gaps", fill_gaps),
        ("cuts", cuts),
    ):
        check_flag(name, flag)
    check_flag("both_strands", both_strands, optional=True)
    if isinstance(model, (str, os.PathLike)):
        model = load_predictor(model) if is_predictor(model) else language_model(model)
    net = model.eval() if isinstance(model, SequenceModel) else None
    text = _one(sequence, net)
    end = len(text) if stop is None else stop
    if not 0 <= start < end <= len(text):
        raise ScmambaError(
            f"start={start}, stop={end}; the sequence has positions 0 to {len(text)}, and start "
            "comes before stop"
        )
    lengths = _several("deletions", deletions, int)
    pieces = _several("insertions", insertions, str)
    planned = [
        *_edits.substitutions(text, start, end, _letters(text, net) * substitutions),
        *_edits.substitutions(text, start, end, "N" * include_n),
        *_edits.deletions(text, start, end, lengths, fill=fill_gaps),
        *_edits.insertions(
            start, end, [_clean(piece, net, f"insertion {piece!r}") for piece in pieces]
        ),
        *(_edits.cuts(text, start, end) if cuts else ()),
    ]
    if not planned:
        raise ScmambaError(
            "no change is asked for; give substitutions=True, deletions=, insertions= or cuts=True"
        )
    edits = [edit for _, edit in planned]
    table = pd.DataFrame(
        {
            "kind": [kind for kind, _ in planned],
            "position": [e.stop if kind == "5' cut" else e.start for kind, e in planned],
            "ref": [edit.ref(text) for edit in edits],
            "alt": [edit.alt for edit in edits],
        }
    )
    if net is None:
        if both_strands:
            raise ScmambaError("both_strands=True goes with a language model alone")
        given, values = scores(scorer(model, target), text, edits)
        return table.assign(score=values, change=values - given)
    if target is not None:
        raise ScmambaError(f"target={target!r} goes with a fitted predictor alone")
    effects = likelihood_effects(
        net,
        [text] * len(edits),
        edits,
        both_strands=needs_both_strands(net, both_strands, default=not is_causal(net)),
        flank=flank,
        batch_size=batch_size,
    )
    return table.assign(score=effects.alt, change=effects.change, llr=effects.ratio)


def _several(name: str, given: Any, kind: type) -> tuple[Any, ...]:
    """One value or several, as several."""
    found = (given,) if isinstance(given, kind) or not isinstance(given, Iterable) else tuple(given)
    if any(not isinstance(value, kind) or isinstance(value, bool) for value in found):
        wanted = "whole numbers" if kind is int else "text"
        raise ScmambaError(f"{name}={str(given)[:60]}; give {wanted}: one, or a list")
    return found


def _one(sequence: Any, net: SequenceModel | None) -> str:
    data = read_sequences(sequence)
    if len(data) != 1:
        raise ScmambaError(
            f"{len(data)} sequences were given, mutagenesis changes one at a time; give one, such "
            f"as {data.names[0]!r}"
        )
    return _clean(data.sequences[0], net)


def _clean(sequence: str, net: SequenceModel | None, where: str = "the sequence") -> str:
    """As the model reads it; of other scorers, which may read anything, in upper case."""
    if not sequence:
        raise ScmambaError(f"{where} is empty; leave it out")
    return sequence.upper() if net is None else net.tokenizer.clean(sequence, where)


def _letters(sequence: str, net: SequenceModel | None) -> str:
    if net is not None:
        return letters(net.tokenizer)
    return "ACGU" if "U" in sequence and "T" not in sequence else "ACGT"
