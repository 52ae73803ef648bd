"""One data set that a shipped model was learned from."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba._read import Fields


@dataclass(frozen=True)
class Study:
    """One data set that a shipped model was learned from.

    Attributes
    ----------
    name
        What it is, with its reference.
    license
        Terms of the data, and of the collection that it was taken from.
    n_cells
        Number of its cells that the model learned from, copies counted once.

    Examples
    --------
    >>> Study("10x PBMC 3k", "CC BY 4.0", 2638).n_cells
    2638
    """

    name: str
    license: str
    n_cells: int

    @classmethod
    def read(cls, fields: Fields) -> Study:
        """Read one from an entry of a card."""
        return cls(
            fields.string("name"), fields.string("license"), fields.integer("n_cells", low=0)
        )
