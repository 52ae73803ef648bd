"""The configuration of a cell model: frozen, checked at construction, round-tripped as JSON."""

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
"""No norm, one BatchNorm for all cells, or one for the cells of each batch."""


@dataclass(frozen=True)
class EncoderConfig(Config):
    """From genes and values to hidden states."""

    n_genes: int
    """Size of the vocabulary, special tokens included."""

    d_model: int = 64
    """Width of embeddings and hidden states."""

    n_layer: int = 2
    """Number of Mamba-2 layers; 0 leaves a bag of tokens."""

    d_state: int = 16
    """Width of the state of each Mamba-2 head."""

    d_conv: int = 4
    """Width of the convolution in front of each scan, in tokens."""

    expand: int = 2
    """Inner width of a layer, as a multiple of ``d_model``."""

    headdim: int = 32
    """Width of each Mamba-2 head."""

    ngroups: int = 1
    """Groups of Mamba-2 heads that share B and C."""

    chunk_size: int = 64
    """Tokens that a scan computes at once."""

    value_type: Literal["bins", "lognorm"] = "bins"
    """What a token's value is: a bin of the cell's own non-zero values, or log(1 + CP10k)."""

    n_bins: int = 51
    """Number of bins, 0 included; at least 3."""

    pad_value: float = -2.0
    """Value of a padded token."""

    mask_value: float = -1.0
    """Value of a masked token; not that of a padded one."""

    cls_value: float = 0.0
    """Value of ``<cls>``."""

    value_clip: float = 512.0
    """Larger values count as this one."""

    value_encoding: Literal["continuous", "scaled", "product"] = "continuous"
    """``gene + value``, ``gene * (1 + value)``, both with a learned vector of the value, or the
    gene times the number."""

    gene_norm: bool = True
    """Whether gene embeddings pass a LayerNorm."""

    dropout: float = 0.0
    """Dropout on value embeddings, in [0, 1)."""

    layer_dropout: float = 0.0
    """Dropout on what a layer adds, in [0, 1)."""

    input_norm: BatchNorm = "batch"
    """Norm of tokens in front of the layers."""

    input_norm_affine: bool = True
    """Whether that norm has a learned scale and shift."""

    pre_norm: bool = False
    """Whether there is a LayerNorm before each layer; else there is one behind it."""

    final_norm: bool = True
    """Whether a LayerNorm follows the last layer, with ``pre_norm``."""

    mlp_ratio: float = 0.0
    """Width of an MLP in each layer, as a multiple of ``d_model``; 0: no MLP."""

    def __post_init__(self) -> None:
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
    """From hidden states to one vector for each cell."""

    method: Literal["cls", "mean", "sum", "attention"] = "cls"
    """The hidden state of ``<cls>``, the mean or sum of all, or attention over them."""

    n_heads: int = 8
    """Heads of the attention."""

    masked: bool = True
    """Whether masked tokens are pooled too."""

    norm: BatchNorm = "none"
    """Norm of the pooled vector."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.between("n_heads", 1, WIDEST)


@dataclass(frozen=True)
class CellConfig(Config):
    """Everything that decides the shape and the numbers of a :class:`~scmamba.models.CellModel`.

    :func:`scmamba.models.preset`, :meth:`replace` and :func:`scmamba.models.load` also take the
    short names of the settings, ``d_model=128`` or ``n_classes=12`` for example.

    Examples
    --------
    >>> from scmamba.models import preset
    >>> config = preset("mini", n_genes=1_000, n_classes=12)
    >>> config.encoder.d_model, config.pool.method, config.heads["class"].n_classes
    (64, 'attention', 12)
    """

    version: ClassVar[int] = 2

    encoder: EncoderConfig
    """From genes and values to hidden states."""

    pool: PoolConfig = field(default_factory=PoolConfig)
    """From hidden states to one vector for each cell."""

    heads: dict[str, HeadConfig] = field(default_factory=dict)
    """Settings of each head by its name; see :data:`scmamba.nn.heads.HEADS`."""

    n_batches: int = 0
    """Batches that norms, decoders and the adversary tell apart; 0: none."""

    batch_labels: bool = True
    """Whether decoders see the batch of a cell, where batches are counted."""

    n_modalities: int = 0
    """Modalities of tokens, which the decoders see; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.heads, Mapping):
            raise ScmambaError(f"heads={self.heads!r}; give settings by the name of the head")
        for name in self.heads:
            one_of("head", name, tuple(HEADS))
        made = {
            name: _head(name, self.heads[name])
            for name in HEADS
            if self.heads.get(name) is not None
        }
        object.__setattr__(self, "heads", made)
        self.between("n_batches", 0, WIDEST)
        self.between("n_modalities", 0, WIDEST)
        if self.n_batches == 0:
            for what, wrong in (
                ('input_norm="per_batch"', self.encoder.input_norm == "per_batch"),
                ('cell_norm="per_batch"', self.pool.norm == "per_batch"),
                ("adversary=True", "adversary" in made),
            ):
                if wrong:
                    raise ScmambaError(f"{what} with n_batches=0; say how many batches there are")

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """Make a configuration of settings by their short names."""
        return cls.from_entries(short_names.expand(settings, {}))

    def replace(self, **changes: Any) -> Self:
        """A copy with ``changes`` by short name, checked again."""
        return self.from_entries(short_names.expand(changes, self.to_dict()))

    @classmethod
    def migrated(cls, entries: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Version 1 had one flat list of settings, which are today's short names."""
        if version > 1:
            return entries
        known = {"expression": True, **entries}
        known.pop("ecs_threshold", None)  # of an objective
        return short_names.expand(known, {})

    @property
    def is_bag(self) -> bool:
        """Whether the pooled cell is a mean or sum of genes' vectors times values.

        Such a model reads a matrix of cells by genes without making tokens of it.
        """
        c = self.encoder
        plain = c.input_norm == "none" and not c.gene_norm and not (c.pre_norm and c.final_norm)
        product = c.n_layer == 0 and c.value_encoding == "product"
        return plain and product and self.pool.method in ("mean", "sum")

    @property
    def d_cell(self) -> int:
        """Width of the cell embedding: of the latent, where there is one."""
        latent = self.heads.get("latent")
        return latent.n_latent if isinstance(latent, LatentConfig) else self.encoder.d_model

    @property
    def n_classes(self) -> int:
        """Classes of the class head; 0 without one."""
        head = self.heads.get("class")
        return head.n_classes if isinstance(head, ClassConfig) else 0

    @property
    def n_input_norms(self) -> int:
        """Norms of tokens, one for each batch; 0 where all cells share one or there is none."""
        return self.n_batches if self.encoder.input_norm == "per_batch" else 0

    @property
    def d_label(self) -> int:
        """Width of what the decoders know of a token beside it; 0 for nothing."""
        return self.encoder.d_model if self.has_batch_labels or self.n_modalities else 0

    @property
    def has_batch_labels(self) -> bool:
        """Whether the decoders see batches."""
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
"""``large`` has the published sizes and structure; the others are for training from scratch."""


def preset(name: str, *, n_genes: int = 60_530, **changes: Any) -> CellConfig:
    """A configuration by name.

    Parameters
    ----------
    name
        ``"mini"`` (about 0.1 M parameters beside the genes), ``"base"`` (4 M) or ``"large"``
        (the published sizes: 625 M with 60,530 genes).
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
        There is no such preset or setting, or a value is not allowed.

    Examples
    --------
    >>> from scmamba.models import preset
    >>> preset("mini", n_genes=2_000, n_layer=1).encoder.n_layer
    1
    """
    one_of("preset", name, tuple(PRESETS))
    settings = {"n_genes": n_genes, "expression": True, **PRESETS[name], **changes}
    return CellConfig.of(**settings)
