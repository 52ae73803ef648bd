"""Ways to correct batches, one file each; a new one is registered by one line here."""

from __future__ import annotations

from scmamba.benchmark._integration.methods.base import IntegrationMethod
from scmamba.benchmark._integration.methods.harmony import HARMONY
from scmamba.benchmark._integration.methods.pca import PCA
from scmamba.benchmark._integration.methods.scanvi import SCANVI
from scmamba.benchmark._integration.methods.scmamba import SCMAMBA, SCMAMBA_LABELS
from scmamba.benchmark._integration.methods.scvi import SCVI

INTEGRATION_METHODS: dict[str, IntegrationMethod] = {
    "pca": PCA,
    "harmony": HARMONY,
    "scvi": SCVI,
    "scanvi": SCANVI,
    "scmamba": SCMAMBA,
    "scmamba_labels": SCMAMBA_LABELS,
}
"""Methods by name, each with the settings that its authors suggest."""
OURS = ("scmamba", "scmamba_labels")

__all__ = ["INTEGRATION_METHODS", "OURS", "IntegrationMethod"]
