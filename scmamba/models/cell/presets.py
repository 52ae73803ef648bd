"""Cell models by name: settings of a few sizes."""

from __future__ import annotations

from typing import Any

from scmamba._config import one_of
from scmamba.models.cell.config import CellConfig

_COMPACT = {"pre_norm": True, "pool": "attention", "mvc": True, "dropout": 0.1}

PRESETS: dict[str, dict[str, Any]] = {
    "mini": {"d_model": 64, "n_layer": 2, "d_state": 16, "headdim": 32, **_COMPACT},
    "base": {"d_model": 256, "n_layer": 8, "d_state": 64, "headdim": 64, **_COMPACT},
    "large": {"d_model": 1536, "n_layer": 36, "d_state": 64, "headdim": 64, "mvc": True}
    | {"dropout": 0.2},
}
"""Settings of the presets. ``large`` has the published sizes; the others are for training."""


def preset(name: str, *, n_genes: int = 60_530, **changes: Any) -> CellConfig:
    """Return a configuration by name.

    Parameters
    ----------
    name
        Name of the preset: ``"mini"`` (about 0.1 M parameters without gene embeddings), ``"base"``
        (4 M) or ``"large"`` (the published sizes, 625 M with 60,530 genes).
    n_genes
        Size of the vocabulary, special tokens included.
    **changes
        Settings of :class:`CellConfig` by short name.

    Returns
    -------
    The configuration.

    Raises
    ------
    ScmambaError
        If there is no such preset or setting, or a value is not allowed.

    Examples
    --------
    >>> from scmamba.models import preset
    >>> preset("mini", n_genes=2_000, n_layer=1).encoder.n_layer
    1
    """
    one_of("preset", name, tuple(PRESETS))
    settings = {"n_genes": n_genes, "expression": True, **PRESETS[name], **changes}
    return CellConfig.of(**settings)
