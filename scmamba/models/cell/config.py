"""The configuration of a cell model: frozen, checked at construction, round-tripped as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scmamba._errors import ScmambaError
from scmamba.models._config import DEEPEST, WIDEST, Config, one_of
from scmamba.nn.embed import COMBINE

POOLS = ("cls", "mean", "attention")
INPUT_NORMS = ("batch", "domain", "none")
VALUE_TYPES = ("bins", "lognorm")


@dataclass(frozen=True)
class CellConfig(Config):
    """Everything that decides the shape and the numbers of a :class:`~scmamba.models.CellModel`.

    Parameters
    ----------
    n_genes
        Size of the vocabulary, special tokens included.
    d_model, n_layer
        Width, and number of Mamba-2 layers (0: a bag of tokens).
    d_state, d_conv, expand, headdim, ngroups, chunk_size
        See :class:`~scmamba.nn.mamba2.Mamba2`.
    value_type, n_bins
        What a token's value is: ``"bins"`` of the cell's own non-zero values (how many, 0
        included), or ``"lognorm"``, log(1 + counts per 10,000).
    pad_value, mask_value, cls_value
        Value of a padded token, of a masked one and of ``<cls>``.
    value_clip
        Values above it count as it.
    value_encoding
        ``"continuous"`` (gene + value), ``"scaled"`` (gene * (1 + value)), both with a learned
        vector of the value, or ``"product"`` (gene times the number).
    gene_norm
        LayerNorm on gene embeddings.
    dropout, layer_dropout
        On value embeddings; on what a layer adds. In [0, 1).
    input_norm, input_norm_affine
        ``"batch"``, ``"domain"`` (one per domain) or ``"none"``; with learned scale and shift.
    pre_norm, final_norm, mlp_ratio
        LayerNorm before each layer, and then behind the last; an MLP of that ratio in each layer.
    pool, pool_heads, pool_masked
        ``"cls"``, ``"mean"`` or ``"attention"`` with that many heads; whether masked tokens are
        pooled too.
    cell_norm, cell_domains
        BatchNorm on the pooled cell embedding; one for each of so many batches (0: one for all).
    n_latent
        Width of a Gaussian latent that becomes the cell embedding; 0: none.
    n_counts
        Genes whose counts are decoded from the cell embedding; 0: none.
    expression, mvc, explicit_zero
        Whether there is an expression head, an MVC head, and their probability of expression.
    n_classes, class_layers, class_dropout
        Classes of the class head (0: none), its Linear layers, and dropout before the last.
    n_batches, batch_labels
        Batches (0: none), and whether the decoders see a cell's batch.
    n_modalities
        Modalities of tokens, seen by the decoders; 0: none.
    n_domains
        Domains of ``input_norm="domain"``.
    adversary, adversary_layers
        Batch discriminator behind gradient reversal, and its Linear layers.
    ecs_threshold
        Threshold of the elastic cell similarity, in [0, 1].
    """

    n_genes: int
    d_model: int = 64
    n_layer: int = 2
    d_state: int = 16
    d_conv: int = 4
    expand: int = 2
    headdim: int = 32
    ngroups: int = 1
    chunk_size: int = 64
    value_type: str = "bins"
    n_bins: int = 51
    pad_value: float = -2.0
    mask_value: float = -1.0
    cls_value: float = 0.0
    value_clip: float = 512.0
    value_encoding: str = "continuous"
    gene_norm: bool = True
    dropout: float = 0.0
    layer_dropout: float = 0.0
    input_norm: str = "batch"
    input_norm_affine: bool = True
    pre_norm: bool = False
    final_norm: bool = True
    mlp_ratio: float = 0.0
    pool: str = "cls"
    pool_heads: int = 8
    pool_masked: bool = True
    cell_norm: bool = False
    cell_domains: int = 0
    n_latent: int = 0
    n_counts: int = 0
    expression: bool = True
    mvc: bool = False
    explicit_zero: bool = False
    n_classes: int = 0
    class_layers: int = 3
    class_dropout: float = 0.0
    n_batches: int = 0
    batch_labels: bool = True
    n_modalities: int = 0
    n_domains: int = 0
    adversary: bool = False
    adversary_layers: int = 3
    ecs_threshold: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_ranges()
        self._check_together()

    def _check_ranges(self) -> None:
        self.at_least("n_genes", 1)
        for name in ("d_model", "d_state", "d_conv", "expand", "headdim", "ngroups"):
            self.between(name, 1, WIDEST)
        for name in ("chunk_size", "pool_heads"):
            self.between(name, 1, WIDEST)
        for name in ("class_layers", "adversary_layers"):
            self.between(name, 1, DEEPEST)
        for name in ("n_classes", "n_batches", "n_modalities", "n_counts"):
            self.at_least(name, 0)
        for name in ("n_domains", "cell_domains", "n_latent", "mlp_ratio"):
            self.between(name, 0, WIDEST)
        self.between("n_layer", 0, DEEPEST)
        self.at_least("n_bins", 3)
        for name in ("dropout", "layer_dropout", "class_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ScmambaError(f"{name}={getattr(self, name)}; give a number in [0, 1)")
        if not 0 <= self.ecs_threshold <= 1:
            raise ScmambaError(f"ecs_threshold={self.ecs_threshold}; give a number in [0, 1]")
        one_of("value_encoding", self.value_encoding, tuple(COMBINE))
        one_of("input_norm", self.input_norm, INPUT_NORMS)
        one_of("value_type", self.value_type, VALUE_TYPES)
        one_of("pool", self.pool, POOLS)

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
        if (self.input_norm == "domain") != (self.n_domains > 0):
            raise ScmambaError(
                f"input_norm={self.input_norm!r} with n_domains={self.n_domains}; "
                'a domain norm needs n_domains >= 1, and only input_norm="domain" takes it'
            )
        if self.cell_domains and not self.cell_norm:
            raise ScmambaError(f"cell_domains={self.cell_domains} needs cell_norm=True")
        if self.adversary and not self.n_batches:
            raise ScmambaError("adversary=True with n_batches=0; say how many batches there are")
        if self.explicit_zero and not (self.expression or self.mvc):
            raise ScmambaError("explicit_zero=True needs expression=True or mvc=True")
        if self.mask_value == self.pad_value:
            raise ScmambaError(
                f"mask_value={self.mask_value} equals pad_value={self.pad_value}; make them differ"
            )

    @property
    def d_cell(self) -> int:
        """Width of the cell embedding: of the latent, where there is one."""
        return self.n_latent or self.d_model


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
        Fields of :class:`CellConfig` to set otherwise.
    """
    one_of("preset", name, tuple(PRESETS))
    CellConfig.check_names(changes)
    return CellConfig(n_genes=n_genes, **{**PRESETS[name], **changes})
