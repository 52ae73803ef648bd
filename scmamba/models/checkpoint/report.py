"""Report of loading: matched, missing and unused weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """Report of loading that accounts for every tensor of the checkpoint and of the model.

    Attributes
    ----------
    source
        File or folder of the weights.
    n_matched, n_weights
        Number of tensors of the model found in the checkpoint, and number of all its tensors.
    n_genes
        Number of tokens of the vocabulary with a gene embedding; for a sequence model, number of
        tokens of its tokenizer.
    fresh
        Tensors of heads that are missing from the checkpoint and start at random.
    mismatched
        Tensors of heads with another shape in the checkpoint, as "name: (checkpoint) for (model)",
        which start at random.
    unused
        Tensors of the checkpoint that the model does not have.
    notes
        Further remarks.
    tokens
        Description of the tokens.

    Examples
    --------
    >>> from scmamba.models import LoadReport
    >>> report = LoadReport("model.pt", n_matched=10, n_weights=11, n_genes=5, fresh=("head.out",))
    >>> report.complete
    False
    >>> print(report)
    model.pt: 10 of 11 weights loaded, 5 genes and special tokens known
      1 not in the checkpoint, started at random: head.out
    """

    source: str
    n_matched: int
    n_weights: int
    n_genes: int
    fresh: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tokens: str = "genes and special tokens"

    @property
    def complete(self) -> bool:
        """Whether all tensors of checkpoint and model match."""
        return not (self.started_at_random or self.unused)

    @property
    def started_at_random(self) -> bool:
        """Whether some weights of heads are not from the checkpoint."""
        return bool(self.fresh or self.mismatched)

    def __str__(self) -> str:
        """Return the report as text, one line per group of tensors."""
        lines = [
            f"{self.source}: {self.n_matched} of {self.n_weights} weights loaded, "
            f"{self.n_genes} {self.tokens} known"
        ]
        told = (
            ("not in the checkpoint, started at random", self.fresh),
            ("of another shape, started at random", self.mismatched),
            ("in the checkpoint but not in the model, left out", self.unused),
        )
        for what, names in told:
            if names:
                lines.append(f"  {len(names)} {what}: {', '.join(names)}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])
