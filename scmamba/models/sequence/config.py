"""Configuration of a DNA or mRNA model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from scmamba._config import DEEPEST, WIDEST, Config, one_of
from scmamba._errors import ScmambaError
from scmamba.tokens.nucleotides.layouts import MOST_IDS

Family = Literal["caduceus", "plantcad", "mamba2-mrna", "plant-dnamamba", "scmamba"]


@dataclass(frozen=True)
class SequenceConfig(Config):
    """Configuration of a :class:`SequenceModel`; fields are described below each of them.

    Examples
    --------
    >>> from scmamba.models import SequenceConfig
    >>> SequenceConfig(vocab_size=16, n_layer=2).direction
    'bidirectional'
    """

    kind: ClassVar[str] = "sequence"

    vocab_size: int
    """Number of token ids."""

    family: Family = "scmamba"
    """Publication whose structure it has."""

    d_model: int = 256
    """Width of the layers, of each strand with ``rc="ps"``."""

    n_layer: int = 4
    """Number of layers."""

    mixer: Literal["mamba1", "mamba2"] = "mamba2"
    """Mixer of the layers."""

    d_state: int = 64
    """Width of the state."""

    d_conv: int = 4
    """Width of the convolution, in tokens."""

    expand: int = 2
    """Inner width of the mixer as a multiple of ``d_model``."""

    dt_rank: int = 0
    """Rank of the step sizes of Mamba-1; 0 for a sixteenth of ``d_model``, rounded up."""

    headdim: int = 64
    """Width of a head of Mamba-2."""

    ngroups: int = 1
    """Number of groups of heads of Mamba-2 that share input and output maps."""

    chunk_size: int = 64
    """Tokens per chunk of Mamba-2."""

    bias: bool = False
    """Whether the input and output projections have a bias."""

    conv_bias: bool = True
    """Whether the convolution has a bias."""

    direction: Literal["causal", "bidirectional"] = "bidirectional"
    """From left to right, or the sum of both directions with shared projections."""

    rc: Literal["none", "ps"] = "none"
    """Strands: one of them, or both with shared parameters (``"ps"``), so that the model is
    equivariant under the reverse complement."""

    fused_add_norm: bool = False
    """With ``rc="ps"``, whether strands are exchanged in every layer, as in the released models."""

    norm: Literal["rms", "layer"] = "rms"
    """Norm before each layer and at the end."""

    norm_eps: float = 1e-5
    """Epsilon of the norm."""

    lm_head: bool = True
    """Whether there is a language-model head."""

    tie_embeddings: bool = True
    """Whether the weight of that head is the embedding."""

    complement_map: tuple[int, ...] = ()
    """Id of the complement of each id; needed with ``rc="ps"``, else it may be empty."""

    pad_id: int = 0
    """Id of padding."""

    max_length: int = 0
    """Longest sequence in training, in tokens; 0 if unknown."""

    def __post_init__(self) -> None:
        """Check the fields and their combinations."""
        super().__post_init__()
        for name in ("d_model", "d_state", "d_conv", "expand", "headdim", "ngroups", "chunk_size"):
            self.between(name, 1, WIDEST)
        self.between("n_layer", 1, DEEPEST)
        self.between("vocab_size", 1, MOST_IDS)
        self.between("dt_rank", 0, WIDEST)
        for name in ("pad_id", "max_length"):
            self.at_least(name, 0)
        self._check_together()

    def _check_together(self) -> None:
        if not self.norm_eps > 0:
            raise ScmambaError(f"norm_eps={self.norm_eps}; give a number above 0")
        if self.pad_id >= self.vocab_size:
            raise ScmambaError(
                f"pad_id={self.pad_id} is not among the {self.vocab_size} ids (vocab_size)"
            )
        if self.complement_map and len(self.complement_map) != self.vocab_size:
            raise ScmambaError(
                f"complement_map has {len(self.complement_map)} entries for "
                f"vocab_size={self.vocab_size}; give one per id"
            )
        if self.rc == "ps" and not self.complement_map:
            raise ScmambaError('rc="ps" needs a complement_map: the id of each id\'s complement')
        if self.fused_add_norm and self.rc != "ps":
            raise ScmambaError(
                f'fused_add_norm=True with rc={self.rc!r}; it applies only to rc="ps"'
            )

    @property
    def mixer_sizes(self) -> dict[str, Any]:
        """Arguments of the mixer other than ``d_model``."""
        names = ["d_state", "d_conv", "expand", "bias", "conv_bias"]
        if self.mixer == "mamba2":
            names += ["headdim", "ngroups", "chunk_size"]
        sizes = {name: getattr(self, name) for name in names}
        return sizes if self.mixer == "mamba2" else {**sizes, "dt_rank": self.dt_rank or "auto"}


SEQUENCE_PRESETS: dict[str, dict[str, Any]] = {
    "nt-mamba": {
        "vocab_size": 6,
        "d_model": 256,
        "n_layer": 12,
        "mixer": "mamba1",
        "d_state": 16,
        "direction": "causal",
        "norm": "layer",
    },
    "bimamba2": {
        "vocab_size": 16,
        "d_model": 256,
        "n_layer": 6,
        "d_state": 64,
        "headdim": 32,
        "complement_map": (0, 1, 2, 3, 4, 5, 6, 10, 9, 8, 7, 11, 12, 13, 14, 15),
        "pad_id": 4,
    },
}
"""Presets for training from scratch: the model of the 18-task benchmark, and one of scmamba."""


def sequence_preset(name: str, **changes: Any) -> SequenceConfig:
    """Return a configuration by name.

    Parameters
    ----------
    name
        Name of the preset: ``"nt-mamba"`` (causal Mamba-1, 12 layers of width 256, LayerNorm,
        5.26 M parameters; vocabulary of :meth:`~scmamba.tokens.NucleotideTokenizer.benchmark`) or
        ``"bimamba2"`` (bidirectional Mamba-2, 6 layers of width 256; vocabulary of
        :meth:`~scmamba.tokens.NucleotideTokenizer.caduceus`).
    **changes
        Fields of :class:`SequenceConfig` to change.

    Examples
    --------
    >>> from scmamba.models import sequence_preset
    >>> sequence_preset("bimamba2", n_layer=2).mixer
    'mamba2'
    """
    one_of("preset", name, tuple(SEQUENCE_PRESETS))
    SequenceConfig.check_names(changes)
    return SequenceConfig(**{**SEQUENCE_PRESETS[name], **changes})
