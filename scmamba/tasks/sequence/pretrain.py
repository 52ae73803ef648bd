"""A language model of sequences, from scratch or trained further."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from scmamba._arguments import check_choice, check_count, check_flag, check_number
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.learn.folds import fold_of
from scmamba.models import SequenceModel, resolve_device, save
from scmamba.models.sequence.config import SEQUENCE_PRESETS, sequence_preset
from scmamba.tasks.sequence._batches import clean
from scmamba.tasks.sequence._inputs import Sequences, read_sequences
from scmamba.tasks.sequence._model import (
    Model,
    is_causal,
    language_model,
    sees_both_strands,
)
from scmamba.tasks.sequence._supervised.forward import sequence_data
from scmamba.tasks.sequence._supervised.split import groups
from scmamba.tokens.nucleotides.masking import TokenMasking, known_tokens
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer
from scmamba.train import NextToken, Objective, SequenceFitConfig, TokenClasses, fit_sequences

OBJECTIVES = ("auto", "masked", "causal")
_HELD = 20
"""One in so many sequences is held out to validate on."""


@dataclass(frozen=True)
class Pretrained:
    """A language model, and how it was learned.

    Attributes
    ----------
    model
        Of the epoch that predicted held-out sequences best.
    history
        Training curve: losses in nats per token.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks import sequence
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("nt-mamba", n_layer=1, d_model=16)
    >>> pretrained = sequence.pretrain(["ACGTACGT"] * 12, model=model, epochs=1)
    >>> sequence.embed("ACGT", pretrained.model).n_obs
    1
    """

    model: SequenceModel
    history: pd.DataFrame

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model; :func:`scmamba.models.load` reads it."""
        return save(self.model, path, about={"notes": ["pretrained by scmamba"]})


def pretrain(
    sequences: Any,
    *,
    model: Model = "bimamba2",
    objective: str = "auto",
    mask_ratio: float = 0.15,
    column: str | None = None,
    both_strands: bool | None = None,
    max_length: int = 1024,
    epochs: int = 10,
    token_budget: int = 16_384,
    lr: float = 1e-3,
    folder: str | os.PathLike[str] | None = None,
    seed: int | None = None,
) -> Pretrained:
    """Learn the language of sequences, without labels.

    Parameters
    ----------
    sequences
        Text, a list, array, Series, dict or DataFrame, or the path of a FASTA or csv file.
    model
        A preset (``"bimamba2"``, bidirectional, or ``"nt-mamba"``, causal) to start from scratch; a
        configuration's model; or a pretrained model, its folder or registered name, to go on from.
        A model that is given stays as it is: a copy is trained.
    objective
        ``"masked"``: hidden tokens are predicted; of ``mask_ratio`` of the tokens 80 % are masked,
        10 % replaced, 10 % kept (Devlin et al., NAACL 2019). ``"causal"``: the next token is.
        ``"auto"``: what the model's direction allows.
    mask_ratio
        Fraction of tokens to predict, in (0, 1).
    column
        Column of a DataFrame or csv file that holds the sequences; None: ``"sequence"``.
    both_strands
        Read the reverse complement of each sequence with probability one half; None: of DNA, unless
        the model is equivariant (PS).
    max_length
        Longer sequences are cut into pieces of so many nucleotides.
    epochs
        Most passes over the sequences; the best of them stays.
    token_budget
        Most tokens per step.
    lr
        Peak learning rate of AdamW; a tenth of it does for a model that is trained already.
    folder
        Where to keep ``last.ckpt``, from which a run that was stopped goes on.
    seed
        Random seed; None: ``settings.seed``.

    Raises
    ------
    ScmambaError
        An input cannot be used, or the objective does not fit the model.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks import sequence
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("nt-mamba", n_layer=1, d_model=16)
    >>> pretrained = sequence.pretrain(["ACGTACGT"] * 12, model=model, epochs=1)
    >>> len(pretrained.history)
    1
    """
    used = settings.seed if seed is None else seed
    check_choice("objective", objective, OBJECTIVES)
    check_count("max_length", max_length, least=2, optional=False)
    check_count("epochs", epochs, optional=False)
    check_count("token_budget", token_budget, optional=False)
    check_count("seed", used, least=0, optional=False)
    check_number("lr", lr, low=0, open_low=True, optional=False)
    check_number("mask_ratio", mask_ratio, optional=False)
    check_flag("both_strands", both_strands, optional=True)
    data = read_sequences(sequences, column=column)
    net = _start(model, data, used)
    objective = _objective(objective, net)
    masking = TokenMasking.of(net.tokenizer, mask_ratio) if objective == "masked" else None
    dna, ps = net.tokenizer.alphabet == "DNA", sees_both_strands(net)
    if both_strands and (ps or not dna):
        raise ScmambaError(
            "both_strands=True, but the model "
            + ("treats both strands alike by itself" if ps else "reads RNA, which has one strand")
        )
    both = dna and not ps if both_strands is None else both_strands
    texts = clean(data, net.tokenizer)
    pieces, owner = _pieces(texts, max_length)
    if len(pieces) < 2:
        raise ScmambaError(f"{len(pieces)} piece(s) of sequence to learn from; give at least 2")
    group = groups(texts, double_stranded=both)[owner] if len(texts) > 1 else np.arange(len(pieces))
    fold = fold_of(group, np.zeros(len(pieces), dtype=np.int64), min(_HELD, len(pieces)), used)
    train, held = np.flatnonzero(fold > 0), np.flatnonzero(fold == 0)
    result = fit_sequences(
        net,
        sequence_data(pieces, net.tokenizer, other=both),
        train if len(train) else held,
        [_loss(objective, net.tokenizer)],
        SequenceFitConfig(
            epochs=epochs,
            token_budget=max(token_budget, 3 * (max_length + 2)),
            lr=lr,
            ema=0.0,
            both_strands=both,
            seed=used,
        ),
        val_rows=held,
        masking=masking,
        text=f"Pretraining ({objective})",
        folder=folder,
    )
    best = result.history["val_loss"].min()
    logger.info("held-out sequences: %.3f nats per token (%s)", best, objective)
    return Pretrained(net, result.history)


def _start(model: Model, data: Sequences, seed: int) -> SequenceModel:
    """Return a model to train: new, or a copy."""
    if not (isinstance(model, str) and model in SEQUENCE_PRESETS):
        return copy.deepcopy(language_model(model))
    rna = any("U" in text.upper() for text in data.sequences)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if rna:
            config = sequence_preset(model, vocab_size=16, complement_map=(), pad_id=4)
            net = SequenceModel(config, NucleotideTokenizer.mrna(16, max_length=None))
        else:
            net = SequenceModel.from_preset(model)
    return net.to(resolve_device())


def _objective(objective: str, model: SequenceModel) -> str:
    fits = "causal" if is_causal(model) else "masked"
    if objective not in ("auto", fits):
        because = "does not see what comes after" if fits == "causal" else "sees what comes next"
        raise ScmambaError(
            f"objective={objective!r}, but the model is {model.config.direction}; give {fits!r}: "
            f"it {because}"
        )
    return fits


def _loss(objective: str, tokenizer: NucleotideTokenizer) -> Objective:
    if objective == "masked":
        return TokenClasses(head="language")
    return NextToken(tuple(known_tokens(tokenizer).tolist()))


def _pieces(texts: Sequence[str], length: int) -> tuple[list[str], np.ndarray]:
    """Pieces of at most so many nucleotides, and which sequence each is of."""
    pieces, owner = [], []
    for i, text in enumerate(texts):
        for start in range(0, len(text), length):
            pieces.append(text[start : start + length])
            owner.append(i)
    return pieces, np.array(owner, dtype=np.int64)
