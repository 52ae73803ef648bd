"""Configuration of a cell model: immutable, checked at construction, saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from scmamba._config import WIDEST, Config, one_of
from scmamba._errors import ScmambaError
from scmamba.models.cell import short_names
from scmamba.models.cell.encoder import EncoderConfig, PoolConfig
from scmamba.nn.heads import HEADS, ClassConfig, HeadConfig, LatentConfig


@dataclass(frozen=True)
class CellConfig(Config):
    """Configuration of a :class:`~scmamba.models.CellModel`.

    :func:`scmamba.models.preset`, :meth:`replace` and :func:`scmamba.models.load` also accept
    short names of the settings, such as ``d_model=128`` or ``n_classes=12``.

    Examples
    --------
    >>> from scmamba.models import preset
    >>> config = preset("mini", n_genes=1_000, n_classes=12)
    >>> config.encoder.d_model, config.pool.method, config.heads["class"].n_classes
    (64, 'attention', 12)
    """

    version: ClassVar[int] = 2

    encoder: EncoderConfig
    """Encoder, from genes and values to hidden states."""

    pool: PoolConfig = field(default_factory=PoolConfig)
    """Pooling, from hidden states to one vector per cell."""

    heads: dict[str, HeadConfig] = field(default_factory=dict)
    """Settings of the heads by name; see :data:`scmamba.nn.heads.HEADS`."""

    n_batches: int = 0
    """Number of batches that norms, decoders and the adversary distinguish; 0 for none."""

    batch_labels: bool = True
    """Whether decoders use the batch of a cell, if ``n_batches`` is above 0."""

    n_modalities: int = 0
    """Number of modalities of tokens, which decoders use; 0 for none."""

    def __post_init__(self) -> None:
        """Check the fields and their combinations."""
        super().__post_init__()
        if not isinstance(self.heads, Mapping):
            raise ScmambaError(
                f"heads={self.heads!r}; give a mapping from names of heads to settings"
            )
        for name in self.heads:
            one_of("head", name, tuple(HEADS))
        made = {
            name: _head(name, self.heads[name])
            for name in HEADS
            if self.heads.get(name) is not None
        }
        object.__setattr__(self, "heads", made)
        if {"affine", "expression"} <= set(made):
            raise ScmambaError(
                "affine=True with expression=True; give one of them: both decode tokens"
            )
        self.between("n_batches", 0, WIDEST)
        self.between("n_modalities", 0, WIDEST)
        if self.n_batches == 0:
            for what, wrong in (
                ('input_norm="per_batch"', self.encoder.input_norm == "per_batch"),
                ('cell_norm="per_batch"', self.pool.norm == "per_batch"),
                ("adversary=True", "adversary" in made),
            ):
                if wrong:
                    raise ScmambaError(f"{what} with n_batches=0; give the number of batches")

    def __hash__(self) -> int:
        """Return the hash of all settings."""
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """Create a configuration from settings by short name."""
        return cls.from_entries(short_names.expand(settings, {}))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes`` by short name, checked again."""
        return self.from_entries(short_names.expand(changes, self.to_dict()))

    @classmethod
    def migrated(cls, entries: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Convert entries of format version 1, a flat list of settings by short name."""
        if version > 1:
            return entries
        known = {"expression": True, **entries}
        known.pop("ecs_threshold", None)  # of an objective
        return short_names.expand(known, {})

    @property
    def is_bag(self) -> bool:
        """Whether the model is a bag of genes: the mean or sum of gene vectors times values.

        Such a model reads a matrix of cells by genes directly, without tokens.
        """
        c = self.encoder
        plain = c.input_norm == "none" and not c.gene_norm and not (c.pre_norm and c.final_norm)
        plain = plain and not c.perturbation_flags
        product = c.n_layer == 0 and c.value_encoding == "product"
        return plain and product and self.pool.method in ("mean", "sum")

    @property
    def d_cell(self) -> int:
        """Width of the cell embedding; with a latent, that of the latent."""
        latent = self.heads.get("latent")
        return latent.n_latent if isinstance(latent, LatentConfig) else self.encoder.d_model

    @property
    def n_classes(self) -> int:
        """Number of classes of the class head; 0 without one."""
        head = self.heads.get("class")
        return head.n_classes if isinstance(head, ClassConfig) else 0

    @property
    def n_input_norms(self) -> int:
        """Number of token norms, one per batch; 0 if all cells share one or there is none."""
        return self.n_batches if self.encoder.input_norm == "per_batch" else 0

    @property
    def d_label(self) -> int:
        """Width of the embedding of batch and modality that decoders use; 0 for none."""
        return self.encoder.d_model if self.has_batch_labels or self.n_modalities else 0

    @property
    def has_batch_labels(self) -> bool:
        """Whether decoders use batches."""
        return self.batch_labels and self.n_batches > 0


def _head(name: str, settings: object) -> HeadConfig:
    kind = HEADS[name].config
    return settings if isinstance(settings, kind) else kind.from_entries(settings, f"heads.{name}")
