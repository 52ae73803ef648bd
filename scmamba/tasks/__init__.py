"""Tasks: AnnData in, AnnData out; and DNA and RNA in ``sequence``."""

from __future__ import annotations

from scmamba.learn.training import (
    AnnotationTraining,
    IntegrationObjectives,
    IntegrationTraining,
    MultiomicsObjectives,
    MultiomicsTraining,
    PerturbationTraining,
    SequenceTraining,
)
from scmamba.tasks import sequence
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.explanation import Explanation
from scmamba.tasks._integration.integrator import Integrator
from scmamba.tasks._knockout.result import Knockouts
from scmamba.tasks._multiomics.model import MultiomicsModel
from scmamba.tasks._network.result import GeneNetwork
from scmamba.tasks._perturbation.model import PerturbationModel
from scmamba.tasks.annotate import annotate
from scmamba.tasks.corpus import (
    CellFilters,
    CorpusManifest,
    DataSet,
    build_corpus,
    download_census,
)
from scmamba.tasks.embed import embed
from scmamba.tasks.gene_network import gene_network
from scmamba.tasks.integrate import integrate
from scmamba.tasks.knockout import knockout
from scmamba.tasks.multiomics import multiomics
from scmamba.tasks.perturb import perturb
from scmamba.tasks.pretrain import PretrainConfig, Pretrained, PretrainObjectives, pretrain

__all__ = [
    "AnnotationTraining",
    "Annotator",
    "CellFilters",
    "CorpusManifest",
    "DataSet",
    "Explanation",
    "GeneNetwork",
    "IntegrationObjectives",
    "IntegrationTraining",
    "Integrator",
    "Knockouts",
    "MultiomicsModel",
    "MultiomicsObjectives",
    "MultiomicsTraining",
    "PerturbationModel",
    "PerturbationTraining",
    "PretrainConfig",
    "PretrainObjectives",
    "Pretrained",
    "SequenceTraining",
    "annotate",
    "build_corpus",
    "download_census",
    "embed",
    "gene_network",
    "integrate",
    "knockout",
    "multiomics",
    "perturb",
    "pretrain",
    "sequence",
]
