"""Pictures: figures are returned, never shown, and pyplot is left alone."""

from scmamba.pl._confusion import confusion
from scmamba.pl._reliability import reliability
from scmamba.pl._report import report
from scmamba.pl._training import training_curve
from scmamba.pl._umap import umap_triptych

__all__ = ["confusion", "reliability", "report", "training_curve", "umap_triptych"]
