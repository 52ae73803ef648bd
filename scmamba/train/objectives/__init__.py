"""Training objectives, one file each; a new one is registered by one line here."""

from __future__ import annotations

from typing import Any

from scmamba.train.objectives.base import Objective, check_objectives, total
from scmamba.train.objectives.cls import CLS, class_weights
from scmamba.train.objectives.contrast import Contrast
from scmamba.train.objectives.dab import DAB
from scmamba.train.objectives.ecs import ECS
from scmamba.train.objectives.gep import GEP
from scmamba.train.objectives.kl import KL
from scmamba.train.objectives.multilabel import MultiLabel
from scmamba.train.objectives.mvc import MVC
from scmamba.train.objectives.nb import NB
from scmamba.train.objectives.next_token import NextToken
from scmamba.train.objectives.squared_error import SquaredError
from scmamba.train.objectives.supcon import SupCon
from scmamba.train.objectives.tokens import TokenClasses

OBJECTIVES: dict[str, type[Objective[Any, Any]]] = {
    CLS.name: CLS,
    Contrast.name: Contrast,
    DAB.name: DAB,
    ECS.name: ECS,
    GEP.name: GEP,
    KL.name: KL,
    MultiLabel.name: MultiLabel,
    MVC.name: MVC,
    NB.name: NB,
    NextToken.name: NextToken,
    SquaredError.name: SquaredError,
    SupCon.name: SupCon,
    TokenClasses.name: TokenClasses,
}
"""Every objective by the name under which its loss is logged."""

__all__ = [
    "CLS",
    "DAB",
    "ECS",
    "GEP",
    "KL",
    "MVC",
    "NB",
    "OBJECTIVES",
    "Contrast",
    "MultiLabel",
    "NextToken",
    "Objective",
    "SquaredError",
    "SupCon",
    "TokenClasses",
    "check_objectives",
    "class_weights",
    "total",
]
