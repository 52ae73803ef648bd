"""Tasks: AnnData in, AnnData out; and DNA and RNA in ``sequence``."""

from __future__ import annotations

from scmamba.learn.multiomics_training import MultiomicsObjectives, MultiomicsTraining
from scmamba.learn.training import (
    AnnotationTraining,
    IntegrationObjectives,
    IntegrationTraining,
    SequenceTraining,
)
from scmamba.tasks import sequence
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._integration.integrator import Integrator
from scmamba.tasks._multiomics.model import MultiomicsModel
from scmamba.tasks._perturbation.model import PerturbationModel
from scmamba.tasks.annotate import annotate
from scmamba.tasks.embed import embed
from scmamba.tasks.integrate import integrate
from scmamba.tasks.multiomics import multiomics
from scmamba.tasks.perturb import perturb
from scmamba.tasks.pretrain import PretrainConfig, Pretrained, PretrainObjectives, pretrain

__all__ = [
    "AnnotationTraining",
    "Annotator",
    "IntegrationObjectives",
    "IntegrationTraining",
    "Integrator",
    "MultiomicsModel",
    "MultiomicsObjectives",
    "MultiomicsTraining",
    "PerturbationModel",
    "PretrainConfig",
    "PretrainObjectives",
    "Pretrained",
    "SequenceTraining",
    "annotate",
    "embed",
    "integrate",
    "multiomics",
    "perturb",
    "pretrain",
    "sequence",
]
