"""Configuration of a cell model: immutable, checked at construction, saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from scmamba._config import DEEPEST, WIDEST, Config, one_of
from scmamba._errors import ScmambaError
from scmamba.models.cell import short_names
from scmamba.nn.heads import HEADS, ClassConfig, HeadConfig, LatentConfig

BatchNorm = Literal["none", "batch", "per_batch"]
"""No norm, one BatchNorm for all cells, or a separate one for each batch."""


@dataclass(frozen=True)
class EncoderConfig(Config):
    """Settings of the encoder, from genes and values to hidden states."""

    n_genes: int
    """Size of the vocabulary, special tokens included."""

    d_model: int = 64
    """Width of embeddings and hidden states."""

    n_layer: int = 2
    """Number of Mamba-2 layers; 0 for a bag-of-genes model."""

    d_state: int = 16
    """Width of the state of each Mamba-2 head."""

    d_conv: int = 4
    """Kernel width of the convolution before each scan, in tokens."""

    expand: int = 2
    """Inner width of a layer as a multiple of ``d_model``."""

    headdim: int = 32
    """Width of each Mamba-2 head."""

    ngroups: int = 1
    """Number of groups of Mamba-2 heads that share B and C."""

    chunk_size: int = 64
    """Number of tokens per chunk of a scan."""

    value_type: Literal["bins", "lognorm"] = "bins"
    """Values of tokens: quantile bins of the cell's non-zero values, or log(1 + CP10k)."""

    n_bins: int = 51
    """Number of value bins including the zero bin, at least 3."""

    pad_value: float = -2.0
    """Value at padding."""

    mask_value: float = -1.0
    """Value of masked tokens; must differ from ``pad_value``."""

    cls_value: float = 0.0
    """Value of ``<cls>``."""

    value_clip: float = 512.0
    """Upper limit at which values are clipped."""

    value_encoding: Literal["continuous", "scaled", "product"] = "continuous"
    """Combination of gene embedding and value: ``gene + value`` (continuous) or
    ``gene * (1 + value)`` (scaled) with a learned embedding of the value, or the gene embedding
    times the number (product)."""

    gene_norm: bool = True
    """Whether a LayerNorm is applied to gene embeddings."""

    dropout: float = 0.0
    """Dropout of value embeddings, in [0, 1)."""

    layer_dropout: float = 0.0
    """Dropout of the output of each layer before the residual sum, in [0, 1)."""

    input_norm: BatchNorm = "batch"
    """Norm of tokens before the layers."""

    input_norm_affine: bool = True
    """Whether that norm has a learned scale and shift."""

    perturbation_flags: bool = False
    """Whether tokens also have an embedding of their flag: 0 untouched, 1 perturbed, 2 padding."""

    pre_norm: bool = False
    """Whether a LayerNorm is applied before each layer instead of after it."""

    final_norm: bool = True
    """With ``pre_norm``, whether a LayerNorm follows the last layer."""

    mlp_ratio: float = 0.0
    """Width of the MLP in each layer as a multiple of ``d_model``; 0 for no MLP."""

    def __post_init__(self) -> None:
        """Check the fields and their combinations."""
        super().__post_init__()
        self.at_least("n_genes", 1)
        for name in ("d_model", "d_state", "d_conv", "expand", "headdim", "ngroups", "chunk_size"):
            self.between(name, 1, WIDEST)
        self.between("n_layer", 0, DEEPEST)
        self.between("mlp_ratio", 0, WIDEST)
        self.at_least("n_bins", 3)
        for name in ("dropout", "layer_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ScmambaError(f"{name}={getattr(self, name)}; give a number in [0, 1)")
        self._check_together()

    def _check_together(self) -> None:
        inner = self.expand * self.d_model
        if inner % self.headdim:
            raise ScmambaError(
                f"headdim={self.headdim} does not divide expand * d_model = {inner}; "
                "choose a headdim that does"
            )
        if (inner // self.headdim) % self.ngroups:
            raise ScmambaError(
                f"ngroups={self.ngroups} does not divide the {inner // self.headdim} heads "
                "(expand * d_model / headdim)"
            )
        if self.mask_value == self.pad_value:
            raise ScmambaError(
                f"mask_value={self.mask_value} equals pad_value={self.pad_value}; make them differ"
            )


@dataclass(frozen=True)
class PoolConfig(Config):
    """Settings of the pooling, from hidden states to one vector per cell."""

    method: Literal["cls", "mean", "sum", "attention"] = "cls"
    """Hidden state of ``<cls>``, mean or sum over tokens, or attention pooling."""

    n_heads: int = 8
    """Number of attention heads."""

    masked: bool = True
    """Whether masked tokens are included."""

    norm: BatchNorm = "none"
    """Norm of the pooled vector."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.between("n_heads", 1, WIDEST)


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
