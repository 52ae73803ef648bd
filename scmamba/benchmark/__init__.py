"""Comparisons: annotation, batch correction, modalities, perturbations, sequences."""

from __future__ import annotations

from scmamba.benchmark._annotation.benchmark import AnnotationBenchmark, annotation
from scmamba.benchmark._annotation.methods import (
    ANNOTATION_METHODS,
    AnnotationMethod,
    Predictions,
)
from scmamba.benchmark._annotation.split import AnnotationSplit
from scmamba.benchmark._integration.benchmark import IntegrationBenchmark, integration
from scmamba.benchmark._integration.cells import prepare_cells
from scmamba.benchmark._integration.comparison import Comparison
from scmamba.benchmark._integration.methods import INTEGRATION_METHODS, OURS, IntegrationMethod
from scmamba.benchmark._multiomics.benchmark import MultiomicsBenchmark, multiomics
from scmamba.benchmark._multiomics.methods import MULTIOMICS_METHODS, MultiomicsMethod
from scmamba.benchmark._multiomics.methods import Outcome as MultiomicsOutcome
from scmamba.benchmark._perturbation.benchmark import perturbation
from scmamba.benchmark._perturbation.methods import (
    PERTURBATION_METHODS,
    PerturbationMethod,
    PredictedEffects,
)
from scmamba.benchmark._perturbation.result import PerturbationBenchmark
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.benchmark._sequence.benchmark import SequenceBenchmark, sequence
from scmamba.benchmark._sequence.methods import SEQUENCE_METHODS, SequenceMethod, SequenceRun
from scmamba.benchmark._sequence.tasks import SequenceTask, fetch_tasks, make_task, read_tasks
from scmamba.benchmark.runs import Runs

__all__ = [
    "ANNOTATION_METHODS",
    "INTEGRATION_METHODS",
    "MULTIOMICS_METHODS",
    "OURS",
    "PERTURBATION_METHODS",
    "SEQUENCE_METHODS",
    "AnnotationBenchmark",
    "AnnotationMethod",
    "AnnotationSplit",
    "Comparison",
    "IntegrationBenchmark",
    "IntegrationMethod",
    "MultiomicsBenchmark",
    "MultiomicsMethod",
    "MultiomicsOutcome",
    "PerturbationBenchmark",
    "PerturbationMethod",
    "PerturbationSplit",
    "PredictedEffects",
    "Predictions",
    "Runs",
    "SequenceBenchmark",
    "SequenceMethod",
    "SequenceRun",
    "SequenceTask",
    "annotation",
    "fetch_tasks",
    "integration",
    "make_task",
    "multiomics",
    "perturbation",
    "prepare_cells",
    "read_tasks",
    "sequence",
]
