"""DNA and mRNA model: one class for all published layouts and for new models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba.models.sequence.config import SequenceConfig, sequence_preset
from scmamba.nn.reverse_complement import ReverseComplementEmbedding, ReverseComplementHead
from scmamba.nn.sequence_stack import SequenceStack
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

if TYPE_CHECKING:
    from scmamba.models.checkpoint.report import LoadReport
    from scmamba.nn.scan.state import State

_TOKENIZERS: dict[str, Callable[..., NucleotideTokenizer]] = {
    "nt-mamba": NucleotideTokenizer.benchmark,
    "bimamba2": NucleotideTokenizer.caduceus,
}
_MOST_SPARE = (
    64  # published vocabularies are padded to a multiple of 8; more means another tokenizer
)

_Embedding = nn.Embedding | ReverseComplementEmbedding
_Head = nn.Linear | ReverseComplementHead


class SequenceModel(Described, nn.Module):
    """Model of DNA or RNA: embedding, Mamba layers, final norm and language-model head.

    Parameters
    ----------
    config
        Sizes, mixer, direction, strands and head.
    tokenizer
        Tokenizer; its ids must match ``config.vocab_size``.

    Attributes
    ----------
    config, tokenizer
        Configuration and tokenizer.
    hidden_width
        Width of :meth:`hidden_states`: twice ``d_model`` with ``rc="ps"``.
    embedding_width
        Width of an embedding, ``d_model``; with ``rc="ps"`` both strands are averaged.
    report
        Report of matched and missing weights, or None for a model that was not loaded.
    name, sha256
        Name of the source of the weights and hash of their file, or None.
    license
        License of the weights, saved with them; None for your own weights.

    Raises
    ------
    ScmambaError
        If the tokenizer has more ids than the model, or another complement.

    Examples
    --------
    >>> from scmamba.models import SequenceModel
    >>> SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32)
    SequenceModel of 12,940 parameters
      layers     1 bidirectional mamba2 layer, width 32
      strands    read as given
      tokenizer  DNA, characters, 16 ids, any length
      head       language model
      origin     random weights
      license    your own weights
    """

    def __init__(self, config: SequenceConfig, tokenizer: NucleotideTokenizer) -> None:
        super().__init__()
        _check_fit(config, tokenizer)
        self.config, self.tokenizer = config, tokenizer
        self.report: LoadReport | None = None
        self.name: str | None = None
        self.sha256: str | None = None
        self.license: str | None = None
        self.embedding, self.stack, self.head = _parts(config)
        self.tie_weights()
        self.reset_parameters()

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> SequenceModel:
        """Create a model with random weights; see :func:`scmamba.models.sequence_preset`."""
        config = sequence_preset(name, **changes)
        return cls(config, _TOKENIZERS[name](max_length=config.max_length or None))

    def _summary(self) -> tuple[str, dict[str, str]]:
        c, layout = self.config, self.tokenizer.layout
        length = f"at most {c.max_length:,} tokens" if c.max_length else "any length"
        n = sum(parameter.numel() for parameter in self.parameters())
        return f"SequenceModel of {n:,} parameters", {
            "layers": f"{c.n_layer} {c.direction} {c.mixer} layer{'s' * (c.n_layer > 1)}, "
            f"width {c.d_model}",
            "strands": "equivariant to the reverse complement" if c.rc == "ps" else "read as given",
            "tokenizer": f"{layout.alphabet}, {layout.kind}, {c.vocab_size:,} ids, {length}",
            "head": "language model" if c.lm_head else "none",
            "origin": self.name or "random weights",
            "license": self.license or ("not stated" if self.name else "your own weights"),
        }

    @property
    def hidden_width(self) -> int:
        """Width of hidden states."""
        return self.config.d_model * (2 if self.config.rc == "ps" else 1)

    @property
    def embedding_width(self) -> int:
        """Width of an embedding."""
        return self.config.d_model

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialize weights as mamba-ssm does: embeddings, and ``out_proj`` scaled by depth."""
        nn.init.normal_(_table(self.embedding).weight, std=0.02)
        for name, parameter in self.stack.named_parameters():
            if name.endswith("out_proj.weight"):
                nn.init.kaiming_uniform_(parameter, a=math.sqrt(5))
                parameter.div_(math.sqrt(self.config.n_layer))

    def tie_weights(self) -> None:
        """Tie the weight of the head to the embedding, if configured."""
        if self.head is not None and self.config.tie_embeddings:
            self.head.weight = _table(self.embedding).weight

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Compute hidden states; see :meth:`hidden_states`."""
        return self.hidden_states(input_ids, padding_mask)

    def hidden_states(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Compute hidden states after the final norm, (B, L, hidden_width).

        With ``rc="ps"``, the first ``d_model`` channels are those of the given strand and the
        others those of its reverse complement, with channels and positions flipped back, as
        published.

        Parameters
        ----------
        input_ids
            (B, L) token ids, integers in [0, vocab_size).
        padding_mask
            (B, L) bool, True at padding, where the output is undefined.

        Raises
        ------
        ScmambaError
            If an id is not in the vocabulary.
        """
        return self.stack(self._embed(input_ids), padding_mask)

    def logits(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Compute logits of tokens, (B, L, vocab_size); of the next token for causal models.

        Parameters
        ----------
        input_ids, padding_mask
            Token ids and padding, each (B, L); see :meth:`hidden_states`.

        Raises
        ------
        ScmambaError
            If the model has no language-model head.
        """
        return self._head()(self.hidden_states(input_ids, padding_mask))

    def step(
        self, input_ids: Tensor, states: Sequence[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Compute logits of a segment that continues earlier ones (causal models).

        Generation of one token takes constant time; long sequences can be read in segments with
        bounded memory.

        Parameters
        ----------
        input_ids
            (B, l) token ids, without padding.
        states
            States returned for the previous segment, one per layer; None at the beginning.

        Returns
        -------
        logits : Tensor
            (B, l, vocab_size), without gradients.
        states : list of State
            States after the segment, one per layer.

        Raises
        ------
        ScmambaError
            If the model is bidirectional or has no head.
        """
        head = self._head()
        with torch.no_grad():
            hidden, left = self.stack.step(self._embed(input_ids), states)
            return head(hidden), left

    def _embed(self, input_ids: Tensor) -> Tensor:
        if input_ids.device.type == "cpu" and input_ids.numel():
            low, high = int(input_ids.min()), int(input_ids.max())
            if low < 0 or high >= self.config.vocab_size:
                raise ScmambaError(
                    f"input_ids go from {low} to {high}; this model knows 0 to "
                    f"{self.config.vocab_size - 1}: use its own tokenizer"
                )
        return self.embedding(input_ids)

    def _head(self) -> nn.Module:
        if self.head is None:
            raise ScmambaError(
                f"{self.name or 'this model'} has no language-model head, because its checkpoint "
                "has none. It computes hidden states and embeddings; scores need another "
                "checkpoint, or training: load(..., lm_head=True, tie_embeddings=True) adds a "
                "head to pretrain"
            )
        return self.head


def n_sequence_parameters(config: SequenceConfig) -> int:
    """Count the parameters of a sequence model without allocating it.

    Parameters
    ----------
    config
        Configuration of the model.

    Examples
    --------
    >>> from scmamba.models import sequence_preset
    >>> from scmamba.models.sequence import n_sequence_parameters
    >>> n_sequence_parameters(sequence_preset("bimamba2", n_layer=1, d_model=32))
    12940
    """
    with torch.device("meta"):
        embedding, stack, head = _parts(config)
    counted = [embedding, stack] + ([] if head is None or config.tie_embeddings else [head])
    return sum(p.numel() for part in counted for p in part.parameters())


def _parts(config: SequenceConfig) -> tuple[_Embedding, SequenceStack, _Head | None]:
    """Build embedding, backbone and head (or None), not tied yet."""
    c, shape = config, (config.vocab_size, config.d_model)
    embedding: _Embedding
    head: _Head
    if c.rc == "ps":
        embedding = ReverseComplementEmbedding(*shape, c.complement_map)
        head = ReverseComplementHead(*shape, c.complement_map)
    else:
        embedding = nn.Embedding(*shape)
        head = nn.Linear(c.d_model, c.vocab_size, bias=False)
    stack = SequenceStack(
        c.n_layer,
        c.d_model,
        mixer=c.mixer,
        direction=c.direction,
        rc=c.rc,
        exchange_strands=c.fused_add_norm,
        norm=c.norm,
        norm_eps=c.norm_eps,
        **c.mixer_sizes,
    )
    return embedding, stack, head if c.lm_head else None


def _table(embedding: _Embedding) -> nn.Embedding:
    return embedding if isinstance(embedding, nn.Embedding) else embedding.embedding


def _check_fit(config: SequenceConfig, tokenizer: NucleotideTokenizer) -> None:
    """Check that ids and complements of tokenizer and model agree."""
    rows, ids = config.vocab_size, tokenizer.vocab_size
    if ids > rows or rows - ids >= _MOST_SPARE:
        raise ScmambaError(
            f"the tokenizer has {ids} ids, but the model has vocab_size={rows} embeddings; use the "
            "tokenizer file that came with the weights"
        )
    ours, theirs = config.complement_map, tokenizer.complement
    if ours and theirs is not None and list(ours[:ids]) != theirs.tolist():
        raise ScmambaError(
            f"the model's complement_map {list(ours)} is not that of the tokenizer "
            f"{theirs.tolist()}; use the files that came together"
        )
