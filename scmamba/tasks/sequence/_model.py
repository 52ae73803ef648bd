"""Which model is asked, and what it can do."""

from __future__ import annotations

import os

import torch

from scmamba._arguments import check_flag
from scmamba._errors import ScmambaError
from scmamba.models import load
from scmamba.models.sequence.model import SequenceModel

Model = SequenceModel | str | os.PathLike[str]


def language_model(model: Model) -> SequenceModel:
    """Return the model, or the one that a folder or registered name stands for, to predict with.

    Raises
    ------
    ScmambaError
        It is none of these, does not load, or is no model of sequences.
    """
    found = load(model) if isinstance(model, (str, os.PathLike)) else model
    if not isinstance(found, SequenceModel):
        raise ScmambaError(
            f"model={model!r} is no model of sequences; give a SequenceModel, the folder of one, "
            "or a registered name such as that of a Caduceus model"
        )
    return found.eval()


def device_of(model: SequenceModel) -> torch.device:
    """Where the model is."""
    return next(model.parameters()).device


def is_causal(model: SequenceModel) -> bool:
    """Whether each position sees only what stands before it."""
    return model.config.direction == "causal"


def sees_both_strands(model: SequenceModel) -> bool:
    """Whether the network itself treats both strands alike (reverse-complement equivariance)."""
    return model.config.rc == "ps"


def needs_both_strands(model: SequenceModel, wish: bool | None, *, default: bool) -> bool:
    """Whether to run the model on the reverse complement too.

    Parameters
    ----------
    wish
        What the caller asked for; None: ``default`` where the model reads DNA.

    Raises
    ------
    ScmambaError
        Both strands are asked of a model of RNA.
    """
    check_flag("both_strands", wish, optional=True)
    dna = model.tokenizer.alphabet == "DNA"
    if wish and not dna:
        raise ScmambaError(
            "both_strands=True, but the model reads RNA, which has one strand; leave it out"
        )
    if sees_both_strands(model):
        return False
    return dna and default if wish is None else wish
