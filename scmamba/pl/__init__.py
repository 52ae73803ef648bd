"""Pictures of results.

Every function returns a :class:`matplotlib.figure.Figure`, which a notebook shows where it is the
last expression of a cell, and leaves pyplot alone. ``save=`` writes it to a file, ``show=True``
displays it at once. Pictures with one main panel take ``ax=``, to stand beside others in a figure
of your own: what is returned is then that figure.
"""

from scmamba.pl._composition import composition
from scmamba.pl._confidence import confidence
from scmamba.pl._confusion import confusion
from scmamba.pl._conservation import conservation_logo
from scmamba.pl._explanation import explanation
from scmamba.pl._imputed import imputed
from scmamba.pl._integration_scores import integration_runs, integration_scores
from scmamba.pl._integration_umap import integration_umap
from scmamba.pl._modality_weights import modality_weights
from scmamba.pl._multiomics import multiomics_umap
from scmamba.pl._mutagenesis import mutagenesis_heatmap, mutagenesis_logo
from scmamba.pl._network import gene_network
from scmamba.pl._perturbation import perturbation_effects
from scmamba.pl._perturbation_change import perturbation_change
from scmamba.pl._perturbation_gene import perturbation_gene
from scmamba.pl._perturbation_ranking import perturbation_ranking
from scmamba.pl._reliability import reliability
from scmamba.pl._report import Report, report
from scmamba.pl._sequence_benchmark import benchmark_by_category, benchmark_by_task
from scmamba.pl._sequence_efficiency import benchmark_efficiency
from scmamba.pl._sequence_embedding import sequence_embedding
from scmamba.pl._sequence_radar import benchmark_radar
from scmamba.pl._training import training_curve
from scmamba.pl._umap import umap_triptych

__all__ = [
    "Report",
    "benchmark_by_category",
    "benchmark_by_task",
    "benchmark_efficiency",
    "benchmark_radar",
    "composition",
    "confidence",
    "confusion",
    "conservation_logo",
    "explanation",
    "gene_network",
    "imputed",
    "integration_runs",
    "integration_scores",
    "integration_umap",
    "modality_weights",
    "multiomics_umap",
    "mutagenesis_heatmap",
    "mutagenesis_logo",
    "perturbation_change",
    "perturbation_effects",
    "perturbation_gene",
    "perturbation_ranking",
    "reliability",
    "report",
    "sequence_embedding",
    "training_curve",
    "umap_triptych",
]
