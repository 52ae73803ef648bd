"""The deep view: networks trained from scratch or fine-tuned, or a head on frozen embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from scmamba.learn.linear import Linear
from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence._supervised.forward import outputs, sequence_data
from scmamba.tasks.sequence.embed import embed
from scmamba.tokens.nucleotides import NucleotideTokenizer

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Networks:
    """Networks of one shape, whose outputs are averaged.

    Attributes
    ----------
    members
        Called with (input_ids, padding_mask).
    tokenizer
        Whose ids they read.
    both_strands
        Whether what they say of both strands is averaged.
    """

    members: tuple[nn.Module, ...]
    tokenizer: NucleotideTokenizer
    both_strands: bool

    def outputs(self, texts: Sequence[str]) -> list[Floats]:
        """For each sequence (n_outputs,), or (length, n_outputs) of its nucleotides."""
        data = sequence_data(texts, self.tokenizer, other=self.both_strands)
        return outputs(self.members, data, both_strands=self.both_strands)


@dataclass(frozen=True)
class Probe:
    """A linear head on the frozen embeddings of a pretrained model.

    Attributes
    ----------
    model
        Gives the embeddings: means over nucleotides.
    both_strands
        Of the embedding; None: as the model's kind has it.
    head
        Logistic or ridge regression.
    """

    model: SequenceModel
    both_strands: bool | None
    head: Linear

    @property
    def tokenizer(self) -> NucleotideTokenizer:
        """Of the model."""
        return self.model.tokenizer

    def outputs(self, texts: Sequence[str]) -> list[Floats]:
        """For each sequence (n_outputs,)."""
        return list(self.head.logits(embeddings(self.model, texts, self.both_strands)))


Deep = Networks | Probe


def embeddings(model: SequenceModel, texts: Sequence[str], both_strands: bool | None) -> Floats:
    """(n, D) means over nucleotides."""
    table = embed(list(texts), model, both_strands=both_strands)
    found: Any = table.obsm["X_scmamba"]
    return found.astype(np.float64)
