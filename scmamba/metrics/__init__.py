"""Scores of annotation, batch correction, multi-omics, perturbations and sequences."""

from scmamba.metrics import multiomics
from scmamba.metrics.annotation import AnnotationScores, annotation
from scmamba.metrics.calibration import calibration_table, expected_calibration_error
from scmamba.metrics.integration import IntegrationScores, integration
from scmamba.metrics.perturbation import PerturbationScores, perturbation
from scmamba.metrics.sequence import (
    ClassificationScores,
    RegressionScores,
    classification,
    multilabel,
    regression,
)

__all__ = [
    "AnnotationScores",
    "ClassificationScores",
    "IntegrationScores",
    "PerturbationScores",
    "RegressionScores",
    "annotation",
    "calibration_table",
    "classification",
    "expected_calibration_error",
    "integration",
    "multilabel",
    "multiomics",
    "perturbation",
    "regression",
]
