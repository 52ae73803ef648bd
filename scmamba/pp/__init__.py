"""Preprocessing: reading expression and its unit, matching genes, normalizing counts."""

from scmamba.pp.expression import Expression, expression
from scmamba.pp.genes import match_genes
from scmamba.pp.normalize import log_normalize, log_normalized
from scmamba.pp.units import Unit, unit_of

__all__ = [
    "Expression",
    "Unit",
    "expression",
    "log_normalize",
    "log_normalized",
    "match_genes",
    "unit_of",
]
