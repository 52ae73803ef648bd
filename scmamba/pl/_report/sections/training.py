"""How the model learned."""

from __future__ import annotations

from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section
from scmamba.pl._training import training_curve


def training(found: Findings) -> Section | None:
    """Draw the training curve."""
    if not len(found.history):
        return None
    caption = "What was learned, epoch after epoch, and the epoch that was chosen."
    return Section({caption: training_curve(found.history)})
