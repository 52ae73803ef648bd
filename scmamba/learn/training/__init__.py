"""How models are trained: the objects that ``training=`` and ``objectives=`` take."""

from scmamba.learn.training.annotation import AnnotationTraining
from scmamba.learn.training.finetuning import FINETUNE_RATES, MODES
from scmamba.learn.training.integration import IntegrationObjectives, IntegrationTraining
from scmamba.learn.training.multiomics import MultiomicsObjectives, MultiomicsTraining
from scmamba.learn.training.perturbation import PerturbationTraining
from scmamba.learn.training.sequence import SequenceTraining

__all__ = [
    "FINETUNE_RATES",
    "MODES",
    "AnnotationTraining",
    "IntegrationObjectives",
    "IntegrationTraining",
    "MultiomicsObjectives",
    "MultiomicsTraining",
    "PerturbationTraining",
    "SequenceTraining",
]
