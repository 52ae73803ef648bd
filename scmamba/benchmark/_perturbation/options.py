"""Options of a comparison of predicted perturbation effects, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence

from scmamba._errors import ScmambaError
from scmamba.benchmark._perturbation.methods import PERTURBATION_METHODS, PerturbationMethod

_KINDS = ("perturbation", "combination", "cell_type", "donor", "pair")


def chosen_methods(names: Sequence[str] | None, effects: bool) -> dict[str, PerturbationMethod]:
    """Chosen methods by name."""
    known = {n: m for n, m in PERTURBATION_METHODS.items() if not (effects and m.needs_cells)}
    usual = [name for name, method in known.items() if not method.named_only]
    chosen = usual if names is None else list(names)
    if not chosen:
        raise ScmambaError("give at least one method")
    for name in chosen:
        if name not in known:
            why = " needs cells" if name in PERTURBATION_METHODS else ""
            raise ScmambaError(f"method {name!r}{why}; allowed: {', '.join(map(repr, known))}")
    return {name: known[name] for name in chosen}


def context_columns(
    split: str,
    control: str | None,
    cell_type_key: str | None,
    donor_key: str | None,
    effects: bool,
    seeds: Sequence[int],
    n_folds: int | None,
) -> list[str]:
    """Check what does not depend on the data; columns that make up the context."""
    if split not in _KINDS:
        raise ScmambaError(f"split={split!r}; allowed: {', '.join(map(repr, _KINDS))}")
    if control is None and not effects:
        raise ScmambaError("control=None; name the value of pert_key that control cells have")
    if not seeds:
        raise ScmambaError("give at least one seed")
    if n_folds is not None and n_folds < 2:
        raise ScmambaError(f"n_folds={n_folds}; give 2 or more, or None")
    if split == "donor" and donor_key is None:
        raise ScmambaError("split='donor' needs donor_key, the column with donors")
    if split in ("cell_type", "pair") and cell_type_key is None:
        raise ScmambaError(f"split={split!r} needs cell_type_key, the column with contexts")
    if split == "donor":
        return [key for key in (cell_type_key, donor_key) if key is not None]
    return [] if cell_type_key is None else [cell_type_key]
