"""Work on DNA and RNA: sequences in; embeddings, likelihoods, effects of changes and text out."""

from __future__ import annotations

from scmamba.tasks.sequence._inputs import Sequences, read_sequences
from scmamba.tasks.sequence.conservation import conservation
from scmamba.tasks.sequence.embed import embed
from scmamba.tasks.sequence.fit import fit
from scmamba.tasks.sequence.fitted import SequencePredictor, load
from scmamba.tasks.sequence.generate import generate
from scmamba.tasks.sequence.mutagenesis import mutagenesis
from scmamba.tasks.sequence.pretrain import Pretrained, pretrain
from scmamba.tasks.sequence.score import score
from scmamba.tasks.sequence.variants import variant_effects

__all__ = [
    "Pretrained",
    "SequencePredictor",
    "Sequences",
    "conservation",
    "embed",
    "fit",
    "generate",
    "load",
    "mutagenesis",
    "pretrain",
    "read_sequences",
    "score",
    "variant_effects",
]
