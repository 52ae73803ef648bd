"""Ways to classify sequences, one file each; a new one is registered by one line here."""

from __future__ import annotations

from scmamba.benchmark._sequence.methods.base import SequenceMethod, SequenceRun
from scmamba.benchmark._sequence.methods.kmer import KMER
from scmamba.benchmark._sequence.methods.networks import CNN, MAMBA, TRANSFORMER
from scmamba.benchmark._sequence.methods.scmamba import NO_MAMBA, SCMAMBA

SEQUENCE_METHODS: dict[str, SequenceMethod] = {
    "mamba": MAMBA,
    "cnn": CNN,
    "transformer": TRANSFORMER,
    "scmamba": SCMAMBA,
    "scmamba_no_mamba": NO_MAMBA,
    "kmer": KMER,
}
"""Methods by name: published networks, :func:`scmamba.tasks.sequence.fit`, k-mers."""

__all__ = ["SEQUENCE_METHODS", "SequenceMethod", "SequenceRun"]
