"""Every AnnData key that scmamba writes, derived from one prefix (``key_added``)."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "scmamba"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Keys:
    """Names under which results are written to an AnnData.

    Parameters
    ----------
    prefix
        What ``key_added`` of a task says, ``"scmamba"`` by default.
    """

    prefix: str = PREFIX

    @property
    def embedding(self) -> str:
        """``obsm`` key of the cell embedding."""
        return f"X_{self.prefix}"

    @property
    def cell_type(self) -> str:
        """``obs`` key of the predicted label, with ``unknown`` where the model abstains."""
        return f"{self.prefix}_cell_type"

    @property
    def best_guess(self) -> str:
        """``obs`` key of the most probable label, never ``unknown``."""
        return f"{self.prefix}_best_guess"

    @property
    def confidence(self) -> str:
        """``obs`` key of the calibrated probability of the best guess, in [0, 1]."""
        return f"{self.prefix}_confidence"

    @property
    def ood_score(self) -> str:
        """``obs`` key of the out-of-distribution score; higher is stranger."""
        return f"{self.prefix}_ood_score"

    @property
    def empty(self) -> str:
        """``obs`` key, written where there are such cells: no gene of the model is expressed."""
        return f"{self.prefix}_empty"

    @property
    def distance(self) -> str:
        """``obs`` key of how far a mapped cell is from the reference; 1 is usual within it."""
        return f"{self.prefix}_distance"

    @property
    def corrected(self) -> str:
        """``layers`` key of expression without batch effects; ``uns`` says in which unit."""
        return f"{self.prefix}_corrected"

    @property
    def gene_embedding(self) -> str:
        """``varm`` key of the gene embeddings."""
        return f"{self.prefix}_gene_embedding"

    @property
    def uns(self) -> str:
        """``uns`` key of what ran: version, model, parameters, seed, genes matched."""
        return self.prefix
