"""How good a result is: scores of predictions, arrays in and numbers out."""

from scmamba.metrics.annotation import AnnotationScores, annotation
from scmamba.metrics.calibration import calibration_table, expected_calibration_error
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
    "RegressionScores",
    "annotation",
    "calibration_table",
    "classification",
    "expected_calibration_error",
    "multilabel",
    "regression",
]
