"""Ways to embed and impute several modalities, one file each; one line here registers a new one."""

from __future__ import annotations

from scmamba.benchmark._multiomics.methods.base import MultiomicsMethod, Outcome
from scmamba.benchmark._multiomics.methods.mean import MEAN
from scmamba.benchmark._multiomics.methods.multivi import MULTIVI
from scmamba.benchmark._multiomics.methods.pca import PCA_BOTH, PCA_RNA, SECOND
from scmamba.benchmark._multiomics.methods.peaks import BOTH, FREQUENCY, LOW_RANK, NEIGHBORS
from scmamba.benchmark._multiomics.methods.regressors import KNN, MLP, RIDGE
from scmamba.benchmark._multiomics.methods.scmamba import SCMAMBA
from scmamba.benchmark._multiomics.methods.totalvi import TOTALVI
from scmamba.benchmark._multiomics.methods.wnn import WNN

MULTIOMICS_METHODS: dict[str, MultiomicsMethod] = {
    "scmamba": SCMAMBA,
    "mean": MEAN,
    "ridge": RIDGE,
    "knn": KNN,
    "mlp": MLP,
    "pca_rna": PCA_RNA,
    "second": SECOND,
    "pca_both": PCA_BOTH,
    "wnn": WNN,
    "totalvi": TOTALVI,
    "multivi": MULTIVI,
    "frequency": FREQUENCY,
    "low_rank": LOW_RANK,
    "neighbors": NEIGHBORS,
    "low_rank_neighbors": BOTH,
}
"""Methods by name."""

__all__ = ["MULTIOMICS_METHODS", "MultiomicsMethod", "Outcome"]
