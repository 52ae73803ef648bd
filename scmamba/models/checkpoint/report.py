"""What loading matched, what it missed and what it could not use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadReport:
    """What became of every tensor of a checkpoint, and of every tensor of the model.

    Attributes
    ----------
    source
        Where the weights came from.
    n_matched, n_weights
        Tensors of the model that the checkpoint filled, and tensors the model has.
    n_genes
        Tokens of the vocabulary that have a row in the gene embedding; of a sequence model, tokens
        that its tokenizer knows.
    fresh
        Tensors of heads that the checkpoint does not hold: they start at random.
    mismatched
        Tensors of heads held in another shape, as "name: (theirs) for (ours)": random too.
    unused
        Tensors of the checkpoint that have no place in the model.
    notes
        Other things a reader should know.
    tokens
        What the tokens are.
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
        """Whether every tensor found its place, on both sides."""
        return not (self.started_at_random or self.unused)

    @property
    def started_at_random(self) -> bool:
        """Whether some weights of heads did not come from the checkpoint."""
        return bool(self.fresh or self.mismatched)

    def __str__(self) -> str:
        lines = [
            f"{self.source}: {self.n_matched} of {self.n_weights} weights loaded, "
            f"{self.n_genes} {self.tokens} known"
        ]
        told = (
            ("not in the checkpoint, started at random", self.fresh),
            ("of another shape, started at random", self.mismatched),
            ("in the checkpoint but without a place here, left out", self.unused),
        )
        for what, names in told:
            if names:
                lines.append(f"  {len(names)} {what}: {', '.join(names)}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])
