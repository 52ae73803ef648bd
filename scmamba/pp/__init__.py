"""What happens before the model: expression found and checked, genes matched, counts normalised."""

from scmamba.pp.expression import Expression, expression
from scmamba.pp.genes import match_genes
from scmamba.pp.normalise import log_normalize

__all__ = ["Expression", "expression", "log_normalize", "match_genes"]
