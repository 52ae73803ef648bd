"""How good a result is: scores of annotations, arrays in and numbers out."""

from scmamba.metrics.annotation import AnnotationScores, annotation
from scmamba.metrics.calibration import calibration_table, expected_calibration_error

__all__ = [
    "AnnotationScores",
    "annotation",
    "calibration_table",
    "expected_calibration_error",
]
