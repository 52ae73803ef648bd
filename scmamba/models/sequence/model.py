"""The DNA and mRNA model: one class for every published layout and for models of our own."""

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
_MOST_SPARE = 64  # published vocabularies are padded to a multiple of 8; more is another tokenizer

_Embedding = nn.Embedding | ReverseComplementEmbedding
_Head = nn.Linear | ReverseComplementHead


class SequenceModel(Described, nn.Module):
    """Embedding, a stack of mixer layers, final norm and language-model head.

    Parameters
    ----------
    config
        Sizes, mixer, direction, strands and head.
    tokenizer
        Of the vocabulary; its ids must fit ``config.vocab_size``.

    Attributes
    ----------
    config, tokenizer
        As given.
    hidden_width
        Channels of :meth:`hidden_states`: twice ``d_model`` with ``rc="ps"``.
    embedding_width
        Channels of an embedding, the two strands of ``rc="ps"`` averaged: ``d_model``.
    report
        What loading matched and missed, or None for a model that was not loaded.
    name, sha256
        Where the weights come from and the hash of their file, or None.
    licence
        Terms of the weights, or None for weights of the user's own; saved with them.

    Raises
    ------
    ScmambaError
        The tokenizer has more ids than the model, or another complement.

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
      licence    your own weights
    """

    def __init__(self, config: SequenceConfig, tokenizer: NucleotideTokenizer) -> None:
        super().__init__()
        _check_fit(config, tokenizer)
        self.config, self.tokenizer = config, tokenizer
        self.report: LoadReport | None = None
        self.name: str | None = None
        self.sha256: str | None = None
        self.licence: str | None = None
        self.embedding, self.stack, self.head = _parts(config)
        self.tie_weights()
        self.reset_parameters()

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> SequenceModel:
        """A new model with random weights; see :func:`scmamba.models.sequence_preset`."""
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
            "licence": self.licence or ("not said" if self.name else "your own weights"),
        }

    @property
    def hidden_width(self) -> int:
        return self.config.d_model * (2 if self.config.rc == "ps" else 1)

    @property
    def embedding_width(self) -> int:
        return self.config.d_model

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw embeddings with deviation 0.02, ``out_proj`` smaller with depth, as mamba-ssm."""
        nn.init.normal_(_table(self.embedding).weight, std=0.02)
        for name, parameter in self.stack.named_parameters():
            if name.endswith("out_proj.weight"):
                nn.init.kaiming_uniform_(parameter, a=math.sqrt(5))
                parameter.div_(math.sqrt(self.config.n_layer))

    def tie_weights(self) -> None:
        """Let the head's weight be the embedding, where the config says so."""
        if self.head is not None and self.config.tie_embeddings:
            self.head.weight = _table(self.embedding).weight

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """The same as :meth:`hidden_states`."""
        return self.hidden_states(input_ids, padding_mask)

    def hidden_states(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Hidden states after the final norm, (B, L, hidden_width).

        With ``rc="ps"`` the first ``d_model`` channels are the strand's; the others those of its
        reverse complement, channels and positions flipped back, as published.

        Parameters
        ----------
        input_ids
            (B, L) integers in [0, vocab_size).
        padding_mask
            (B, L), True where padded; what comes out there has no meaning.

        Raises
        ------
        ScmambaError
            An id is not in the vocabulary.
        """
        return self.stack(self._embed(input_ids), padding_mask)

    def logits(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Logits of tokens, (B, L, vocab_size): of the next one for causal models.

        Parameters
        ----------
        input_ids, padding_mask
            As in :meth:`hidden_states`.

        Raises
        ------
        ScmambaError
            The model has no language-model head.
        """
        return self._head()(self.hidden_states(input_ids, padding_mask))

    def step(
        self, input_ids: Tensor, states: Sequence[State] | None = None
    ) -> tuple[Tensor, list[State]]:
        """Logits of a segment that follows those before it (causal models).

        One token is a step of generation, in constant time; a long segment is read in bounded
        memory.

        Parameters
        ----------
        input_ids
            (B, l), without padding.
        states
            States that the segment before returned, one per layer; None at the beginning.

        Returns
        -------
        logits : Tensor
            (B, l, vocab_size), without gradients.
        states : list of State
            States after the segment, one per layer.

        Raises
        ------
        ScmambaError
            The model is bidirectional or has no head.
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
                f"{self.name or 'this model'} has no language-model head: its checkpoint holds "
                "none. Hidden states and embeddings are there; scores need another checkpoint, or "
                "training: load(..., lm_head=True, tie_embeddings=True) adds a head to pretrain"
            )
        return self.head


def n_sequence_parameters(config: SequenceConfig) -> int:
    """Number of parameters of a model of ``config``, counted without making it."""
    with torch.device("meta"):
        embedding, stack, head = _parts(config)
    counted = [embedding, stack] + ([] if head is None or config.tie_embeddings else [head])
    return sum(p.numel() for part in counted for p in part.parameters())


def _parts(config: SequenceConfig) -> tuple[_Embedding, SequenceStack, _Head | None]:
    """Embedding, backbone and head, if there is one; not tied yet."""
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
    """Whether ids and complements of the tokenizer are those of the model."""
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
