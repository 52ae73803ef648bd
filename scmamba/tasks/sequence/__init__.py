"""Work on DNA and RNA: sequences in; embeddings, likelihoods, effects of changes and text out."""

from __future__ import annotations

from scmamba.tasks.sequence._benchmark.tasks import Task, fetch_tasks, make_task, read_tasks
from scmamba.tasks.sequence._inputs import Sequences, read_sequences
from scmamba.tasks.sequence.benchmark import BenchmarkResult, benchmark
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
    "BenchmarkResult",
    "Pretrained",
    "SequencePredictor",
    "Sequences",
    "Task",
    "benchmark",
    "conservation",
    "embed",
    "fetch_tasks",
    "fit",
    "generate",
    "load",
    "make_task",
    "mutagenesis",
    "pretrain",
    "read_sequences",
    "read_tasks",
    "score",
    "variant_effects",
]
