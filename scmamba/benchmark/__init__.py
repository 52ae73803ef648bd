"""Comparisons with other methods: batch correction and sequence classifiers, each as one call."""

from __future__ import annotations

from scmamba.benchmark._integration.benchmark import IntegrationBenchmark, integration
from scmamba.benchmark._integration.cells import prepare_cells
from scmamba.benchmark._integration.comparison import Comparison
from scmamba.benchmark._integration.methods import INTEGRATION_METHODS, OURS, IntegrationMethod
from scmamba.benchmark._sequence.benchmark import SequenceBenchmark, sequence
from scmamba.benchmark._sequence.methods import SEQUENCE_METHODS, SequenceMethod, SequenceRun
from scmamba.benchmark._sequence.tasks import SequenceTask, fetch_tasks, make_task, read_tasks
from scmamba.benchmark.runs import Runs

__all__ = [
    "INTEGRATION_METHODS",
    "OURS",
    "SEQUENCE_METHODS",
    "Comparison",
    "IntegrationBenchmark",
    "IntegrationMethod",
    "Runs",
    "SequenceBenchmark",
    "SequenceMethod",
    "SequenceRun",
    "SequenceTask",
    "fetch_tasks",
    "integration",
    "make_task",
    "prepare_cells",
    "read_tasks",
    "sequence",
]
