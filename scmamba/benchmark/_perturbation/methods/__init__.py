"""Ways to predict effects of perturbations, one file each; one line here registers a new one."""

from __future__ import annotations

from scmamba.benchmark._perturbation.methods.base import PerturbationMethod, PredictedEffects
from scmamba.benchmark._perturbation.methods.baselines import (
    FROM_EFFECTS,
    NEAREST_GENE_SETS,
    RIDGE_GENE_SETS,
)
from scmamba.benchmark._perturbation.methods.latent_shift import LATENT_SHIFT
from scmamba.benchmark._perturbation.methods.scmamba import NETWORK, NETWORK_MAMBA, SCMAMBA

PERTURBATION_METHODS: dict[str, PerturbationMethod] = {
    "scmamba": SCMAMBA,
    "scmamba_network": NETWORK,
    "scmamba_network_mamba": NETWORK_MAMBA,
    **FROM_EFFECTS,
    "nearest_gene_sets": NEAREST_GENE_SETS,
    "ridge_gene_sets": RIDGE_GENE_SETS,
    "latent_shift": LATENT_SHIFT,
}
"""Methods by name, each with its usual settings."""

__all__ = ["PERTURBATION_METHODS", "PerturbationMethod", "PredictedEffects"]
