"""Settings of the encoder of a cell model and of its pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scmamba._config import DEEPEST, WIDEST, Config
from scmamba._errors import ScmambaError

BatchNorm = Literal["none", "batch", "per_batch"]
"""No norm, one BatchNorm for all cells, or a separate one for each batch."""
PoolNorm = Literal["none", "batch", "unscaled", "per_batch"]
"""The same of pooled vectors; ``"unscaled"``: one for all cells, without learned scale."""


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

    norm: PoolNorm = "none"
    """Norm of the pooled vector."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.between("n_heads", 1, WIDEST)
