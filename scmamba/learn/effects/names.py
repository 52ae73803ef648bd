"""Names of perturbations: single ones, combinations, and the control."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from scmamba._errors import ScmambaError

_PLUS = re.compile(r"\+(?![^(\[]*[)\]])")  # plus signs in brackets belong to names: g(+)-JQ1
Perturbation = tuple[str, ...]
"""Names of what is perturbed together, sorted; empty for the control."""


@dataclass(frozen=True)
class PerturbationNames:
    """Splits labels into the single perturbations that they combine.

    ``"A+B"``, ``["A", "B"]`` and, where ``A`` and ``B`` are known but ``A_B`` is not a single
    perturbation, ``"A_B"`` are the same combination in any order; ``"A+control"`` and
    ``"A+ctrl"`` are ``"A"``.

    Parameters
    ----------
    control
        Label of control cells.
    labels
        Labels of the data.
    genes
        Names of genes that may be perturbed although no label has them.

    Examples
    --------
    >>> names = PerturbationNames("ctrl", ["ctrl", "KLF1+ctrl", "GATA1_KLF1", "GATA1"])
    >>> names.parse("ctrl+KLF1"), names.parse("GATA1_KLF1"), names.parse("ctrl")
    (('KLF1',), ('GATA1', 'KLF1'), ())
    """

    control: str
    labels: Iterable[str] = ()
    genes: Iterable[str] = ()
    _singles: frozenset[str] = field(init=False, repr=False)
    _genes: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Collect the single perturbations."""
        labels = tuple(map(str, self.labels))
        plain = {part for label in labels for part in self._split(label)}
        genes = frozenset(map(str, self.genes))
        # "A_B" is a name of its own unless both of its parts are known without it
        known = {name for name in plain if "_" not in name} | genes
        singles = {name for name in plain if self._underscored(name, known) is None}
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "_singles", frozenset(singles))
        object.__setattr__(self, "_genes", genes)

    @property
    def singles(self) -> list[str]:
        """Single perturbations of the data, sorted."""
        return sorted(self._singles)

    def parse(self, label: str | Sequence[str]) -> Perturbation:
        """Return the single perturbations of a label, sorted, without the control.

        Raises
        ------
        ScmambaError
            If the label is empty or names the same perturbation twice.
        """
        given = [label] if isinstance(label, str) else list(label)
        parts: list[str] = []
        for one in given:
            for part in self._split(str(one)):
                known = self._singles | self._genes
                parts += [part] if part in known else self._underscored(part, known) or [part]
        if not given or any(not part for part in parts):
            raise ScmambaError(f"perturbation {label!r} has an empty name")
        if len(set(parts)) < len(parts):
            raise ScmambaError(f"perturbation {label!r} names {max(parts, key=parts.count)} twice")
        return tuple(sorted(parts))

    def require_known(self, perturbation: Perturbation) -> None:
        """Raise ScmambaError for a name that is neither in the data nor a gene.

        The error lists names that are near.
        """
        for name in perturbation:
            if name in self._singles or name in self._genes:
                continue
            pool = sorted(self._singles | self._genes)
            folded = {one.casefold(): one for one in pool}
            near = get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
            hint = ", ".join(folded[one] for one in near) or ", ".join(self.singles[:5])
            raise ScmambaError(
                f"perturbation {name!r} is neither in the data nor a known gene; similar or first "
                f"names: {hint}"
            )

    def _split(self, label: str) -> list[str]:
        """Parts between plus signs, without the control."""
        if label == self.control:
            return []
        parts = [part.strip() for part in _PLUS.split(label)]
        return [part for part in parts if part not in (self.control, "ctrl")]

    def _underscored(self, name: str, known: Iterable[str]) -> list[str] | None:
        """Both parts of ``A_B`` where each is known or the control, else None."""
        found = set(known) | {self.control, "ctrl"}
        for i, letter in enumerate(name):
            parts = [name[:i], name[i + 1 :]]
            if letter == "_" and all(part in found for part in parts):
                return [part for part in parts if part not in (self.control, "ctrl")]
        return None


def label_of(perturbation: Perturbation, control: str = "control") -> str:
    """Return the label of a perturbation: names joined by plus signs, or the control's.

    Examples
    --------
    >>> label_of(("GATA1", "KLF1")), label_of((), "ctrl")
    ('GATA1+KLF1', 'ctrl')
    """
    return "+".join(perturbation) or control
