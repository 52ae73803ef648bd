"""Cell model: one backbone for published and new weights, with configurable heads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba.models.cell import _parts as parts
from scmamba.models.cell._parts import given
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.output import CellOutput
from scmamba.nn.embed import COMBINE, GeneEmbedding, LabelEmbedding, PlainValue, ValueEmbedding
from scmamba.nn.heads import HEADS, CellState, Head, Picked, sample
from scmamba.nn.norm import DomainBatchNorm
from scmamba.nn.pool import BagPool

if TYPE_CHECKING:
    from scmamba.models.checkpoint.report import LoadReport
    from scmamba.tokens.cells.vocab import Vocab


H = TypeVar("H", bound=Head)


_TOKENS = ("hidden", "values")
"""Fields of CellState with an entry for each token."""

FLAGS = ("untouched", "perturbed", "padding")
"""Meaning of the flags 0, 1, 2 of tokens in a model with ``perturbation_flags``."""


class CellModel(Described, nn.Module):
    """Bidirectional Mamba-2 model of the expressed genes of a cell.

    Parameters
    ----------
    config
        Sizes, norms and heads.

    Attributes
    ----------
    config
        Configuration.
    heads
        Heads by name.
    vocab
        Vocabulary with the names of the genes, or None.
    report
        Report of matched and missing weights, or None for a model that was not loaded.
    name, sha256
        Name of the source of the weights and hash of their file, or None.
    license
        License of the weights, saved with them; None for your own weights.

    Examples
    --------
    >>> from scmamba.models import CellModel, preset
    >>> CellModel(preset("mini", n_genes=1_000, n_layer=1, n_classes=12))
    CellModel of 164,089 parameters
      encoder  1 Mamba-2 layer, width 64, values as bins
      genes    1,000 genes and special tokens, without names
      pool     attention
      heads    expression, mvc, class (12)
      origin   random weights
      license  your own weights
    """

    def __init__(self, config: CellConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab: Vocab | None = None
        self.report: LoadReport | None = None
        self.name: str | None = None
        self.sha256: str | None = None
        self.license: str | None = None

        c = config.encoder
        self.gene_embedding = GeneEmbedding(c.n_genes, c.d_model, norm=c.gene_norm)
        self.value_embedding: nn.Module = PlainValue(clip=c.value_clip)
        if c.value_encoding != "product":
            self.value_embedding = ValueEmbedding(c.d_model, dropout=c.dropout, clip=c.value_clip)
        self.perturbation_embedding = (
            nn.Embedding(len(FLAGS), c.d_model) if c.perturbation_flags else None
        )
        self.input_norm = parts.input_norm(config)
        self.stack = parts.stack(c)
        self.final_norm = nn.LayerNorm(c.d_model) if c.pre_norm and c.final_norm else None
        self.pool = parts.pool(config)
        self.cell_norm = parts.cell_norm(config)
        self.heads = nn.ModuleDict()
        parts.add_heads(self.heads, config, ["latent"])
        self.batch_embedding = (
            LabelEmbedding(config.n_batches, c.d_model) if config.has_batch_labels else None
        )
        self.modality_embedding = (
            LabelEmbedding(config.n_modalities, c.d_model) if config.n_modalities else None
        )
        parts.add_heads(self.heads, config, [name for name in HEADS if name != "latent"])

    def _summary(self) -> tuple[str, dict[str, str]]:
        c = self.config.encoder
        named = "without names" if self.vocab is None else f"such as {self.vocab.genes[0]}"
        sizes = {"class": self.config.n_classes}
        heads = (f"{n} ({sizes[n]})" if n in sizes else n for n in self.heads)
        layers = "1 Mamba-2 layer" if c.n_layer == 1 else f"{c.n_layer} Mamba-2 layers"
        return f"CellModel of {self.n_parameters:,} parameters", {
            "encoder": f"{layers}, width {c.d_model}, values as {c.value_type}",
            "genes": f"{c.n_genes:,} genes and special tokens, {named}",
            "pool": self.config.pool.method,
            "heads": ", ".join(heads) or "none",
            "origin": self.name or "random weights",
            "license": self.license or ("not stated" if self.name else "your own weights"),
        }

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def head(self, kind: type[H]) -> H | None:
        """Return the head of a class, or None if the model has none.

        Examples
        --------
        >>> from scmamba.models import CellModel, preset
        >>> from scmamba.nn.heads import ClassHead
        >>> model = CellModel(preset("mini", n_genes=10, n_classes=3))
        >>> model.head(ClassHead).out.out_features
        3
        """
        found = dict(self.heads.items()).get(kind.name)
        return found if isinstance(found, kind) else None

    def replace_head(self, kind: type[Head]) -> None:
        """Replace a head by a new one with random weights, built from the configuration."""
        made = nn.ModuleDict()
        parts.add_heads(made, self.config, [kind.name])
        self.heads[kind.name] = made[kind.name].to(next(self.parameters()).device)

    def encode(
        self,
        gene_ids: Tensor,
        values: Tensor,
        padding_mask: Tensor | None = None,
        batch_ids: Tensor | None = None,
        *,
        perturbation_flags: Tensor | None = None,
    ) -> Tensor:
        """Compute hidden states (B, L, D), in the order of the tokens.

        Parameters
        ----------
        gene_ids
            (B, L) vocabulary ids, integers in [0, n_genes).
        values
            (B, L) binned expression.
        padding_mask
            (B, L) bool, True at padding.
        batch_ids
            (B,) batch of each cell; needed only with ``input_norm="per_batch"``.
        perturbation_flags
            (B, L) 0 untouched, 1 perturbed, 2 padding; None: nothing is perturbed. Only for a
            model with such flags.
        """
        genes = self.gene_embedding(gene_ids)
        return self._encode(genes, values, padding_mask, batch_ids, perturbation_flags)

    def _encode(
        self,
        genes: Tensor,
        values: Tensor,
        padding_mask: Tensor | None,
        batch_ids: Tensor | None,
        flags: Tensor | None = None,
    ) -> Tensor:
        x = COMBINE[self.config.encoder.value_encoding](genes, self.value_embedding(values))
        if self.perturbation_embedding is not None:
            x = x + self.perturbation_embedding(parts.flags_of(values, padding_mask, flags))
        elif flags is not None:
            raise ScmambaError(
                "perturbation_flags are given, but this model has no embedding of them; create it "
                "with perturbation_flags=True, or load a perturbation checkpoint"
            )
        if isinstance(self.input_norm, DomainBatchNorm):
            x = self.input_norm(x, given(batch_ids, "batch_ids", "a norm per batch"), padding_mask)
        elif self.input_norm is not None:
            x = self.input_norm(x, padding_mask)
        x = self.stack(x, padding_mask)
        return x if self.final_norm is None else self.final_norm(x)

    def forward(
        self,
        gene_ids: Tensor,
        values: Tensor,
        padding_mask: Tensor | None = None,
        batch_ids: Tensor | None = None,
        modality_ids: Tensor | None = None,
        *,
        perturbation_flags: Tensor | None = None,
        decoded: Tensor | None = None,
        heads: Collection[str] = tuple(HEADS),
    ) -> CellOutput:
        """Compute hidden states, the cell embedding and the outputs of the heads.

        Parameters
        ----------
        gene_ids, values, padding_mask
            Gene ids, values and padding, each (B, L); see :meth:`encode`.
        batch_ids
            (B,) batch of each cell; needed by batch labels and by norms per batch.
        modality_ids
            (B, L) modality of each token; needed if ``n_modalities`` is above 0.
        perturbation_flags
            (B, L) 0 untouched, 1 perturbed, 2 padding; see :meth:`encode`.
        decoded
            (B, L) bool, tokens whose expression is wanted, such as the hidden ones: fewer are
            faster. Outputs of the other tokens are then 0. None: all.
        heads
            Names of the heads to run, if the model has them; see
            :data:`scmamba.nn.heads.HEADS`. The latent is always computed, as it is the cell
            embedding.
        """
        asked = self._asked(heads)
        needed = {need for head in asked for need in head.needs}
        hidden = genes = None
        bag = isinstance(self.pool, BagPool) and perturbation_flags is None
        if bag and "hidden" not in needed:
            pooled = self.pooled(gene_ids, values, padding_mask)
        else:
            genes = self.gene_embedding(gene_ids)
            hidden = self._encode(genes, values, padding_mask, batch_ids, perturbation_flags)
            pooled = self._pool(hidden, gene_ids, values, padding_mask)
        cell = self.finish(pooled, batch_ids)
        labels = self._labels(batch_ids, modality_ids, gene_ids) if "labels" in needed else None
        picked = None
        if decoded is not None and labels is None and needed & {"genes", "hidden"}:
            picked = Picked.of(gene_ids, decoded)
        if "genes" in needed and (genes is None or picked is not None):
            genes = self.gene_embedding(gene_ids if picked is None else picked.ids)
        tokens = {"hidden": hidden, "genes": genes, "values": values, "labels": labels}
        return self._output(asked, cell, batch_ids, picked, None, **tokens)

    def forward_matrix(
        self,
        values: Tensor,
        batch_ids: Tensor | None = None,
        *,
        heads: Collection[str] = ("class",),
        n_decoded: int | None = None,
    ) -> CellOutput:
        """Compute the output of a bag-of-genes model from a matrix, without making tokens.

        Parameters
        ----------
        values
            (B, n) values of the first n genes of the vocabulary, 0 where not expressed.
        batch_ids
            (B,) batch of each cell; needed by batch labels and by norms per batch.
        heads
            Names of the heads to run, if the model has them; heads that need tokens are refused.
        n_decoded
            Counts are decoded of so many cells, the first; None: of all.

        Raises
        ------
        ScmambaError
            If the model is not a bag of genes, or a head needs tokens.
        """
        asked = self._asked(heads)
        needed = sorted({need for head in asked for need in head.needs} - {"batch"})
        if not isinstance(self.pool, BagPool) or self.config.encoder.cls_value or needed:
            why = f"heads need {', '.join(needed)}" if needed else "it is no bag of genes"
            raise ScmambaError(f"this model needs tokens: {why}; call it with gene_ids and values")
        table, clip = self.gene_embedding.embedding.weight, self.config.encoder.value_clip
        pooled = self.pool.of_matrix(table, values.clamp(max=clip))
        return self._output(asked, self.finish(pooled, batch_ids), batch_ids, n_decoded=n_decoded)

    def _asked(self, heads: Collection[str]) -> list[Head]:
        """Return the heads of the model among ``heads``, and always the latent."""
        if unknown := set(heads) - set(HEADS):
            raise ScmambaError(f"heads={sorted(unknown)}; allowed: {', '.join(map(repr, HEADS))}")
        wanted = {"latent", *heads}
        return [cast(Head, head) for name, head in self.heads.items() if name in wanted]

    def _output(
        self,
        asked: Sequence[Head],
        finished: tuple[Tensor, Tensor | None],
        batch_ids: Tensor | None,
        picked: Picked | None = None,
        n_decoded: int | None = None,
        **tokens: Tensor | None,
    ) -> CellOutput:
        """Run heads on the result of :meth:`finish`; ``tokens`` are fields of CellState."""
        cell, log_var = finished
        hidden = tokens.get("hidden")
        if picked is not None:
            at = picked.place
            tokens |= {name: t[at] for name in _TOKENS if (t := tokens[name]) is not None}
        state = CellState(
            cell,
            # Decoders use a sample of the latent in training, as in a variational autoencoder.
            drawn=sample(cell, log_var) if log_var is not None and self.training else cell,
            log_var=log_var,
            batch=self._batch(batch_ids) if any("batch" in h.needs for h in asked) else None,
            batch_ids=batch_ids,
            picked=picked,
            **tokens,
        )
        made: dict[str, Tensor] = {}
        for head in asked:
            of = state.first(n_decoded) if head.name == "counts" else state
            found = head.read(of)
            if picked is not None and head.needs & {"genes", "hidden"}:
                found = {name: picked.spread(numbers) for name, numbers in found.items()}
            made |= found
        return CellOutput.of(hidden, cell, made)

    def pooled(
        self,
        gene_ids: Tensor,
        values: Tensor,
        padding_mask: Tensor | None = None,
        batch_ids: Tensor | None = None,
    ) -> Tensor:
        """Compute pooled cells (B, D), before norm and latent, which :meth:`finish` applies."""
        if isinstance(self.pool, BagPool):
            table, numbers = self.gene_embedding.embedding.weight, self.value_embedding(values)
            unseen = self._unseen(values, padding_mask)
            return self.pool.of_tokens(table, gene_ids, numbers[..., 0], unseen)
        hidden = self.encode(gene_ids, values, padding_mask, batch_ids)
        return self._pool(hidden, gene_ids, values, padding_mask)

    def _pool(
        self, hidden: Tensor, gene_ids: Tensor, values: Tensor, padding_mask: Tensor | None
    ) -> Tensor:
        return self.pool(hidden, gene_ids, self._unseen(values, padding_mask))

    def _unseen(self, values: Tensor, padding_mask: Tensor | None) -> Tensor | None:
        """Mask (B, L) of tokens that are excluded from pooling."""
        if self.config.pool.masked:
            return padding_mask
        masked = values == self.config.encoder.mask_value
        return masked if padding_mask is None else masked | padding_mask

    def finish(
        self, pooled: Tensor, batch_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Turn pooled cells (B, D) into embeddings (B, d_cell) and log variances or None."""
        if isinstance(self.cell_norm, DomainBatchNorm):
            ids = given(batch_ids, "batch_ids", "a cell norm per batch")
            pooled = self.cell_norm(pooled[:, None], ids)[:, 0]
        elif self.cell_norm is not None:
            pooled = self.cell_norm(pooled)
        return self.heads["latent"](pooled) if "latent" in self.heads else (pooled, None)

    def decode_counts(self, cell: Tensor, batch_ids: Tensor | None = None) -> Tensor:
        """Decode log fractions (B, n_counts) of genes from cell embeddings (B, d_cell).

        ``batch_ids`` (B,) is the batch to decode for, which may differ from that of the cell.
        """
        if "counts" not in self.heads:
            raise ScmambaError("this model has no count decoder; create it with n_counts above 0")
        return self.heads["counts"](cell, self._batch(batch_ids), batch_ids)

    def _batch(self, batch_ids: Tensor | None) -> Tensor | None:
        """Embedding (B, D) of the batch of each cell, if decoders use it."""
        if self.batch_embedding is None:
            return None
        return self.batch_embedding(given(batch_ids, "batch_ids", "batch labels"))

    def _labels(
        self, batch_ids: Tensor | None, modality_ids: Tensor | None, gene_ids: Tensor
    ) -> Tensor | None:
        """Sum of batch and modality embeddings of each token (B, L, D), for decoders."""
        label: Tensor | None = None
        if (batch := self._batch(batch_ids)) is not None:
            label = batch[:, None].expand(-1, gene_ids.shape[1], -1)
        if self.modality_embedding is not None:
            ids = given(modality_ids, "modality_ids", "modality labels")
            modality = self.modality_embedding(ids)
            label = modality if label is None else label + modality
        return label


def n_parameters(config: CellConfig) -> int:
    """Count the parameters of a cell model without allocating it.

    Parameters
    ----------
    config
        Configuration of the model.

    Examples
    --------
    >>> from scmamba.models import n_parameters, preset
    >>> n_parameters(preset("mini", n_genes=1_000, n_layer=1, n_classes=12))
    164089
    """
    with torch.device("meta"):
        return sum(p.numel() for p in CellModel(config).parameters())
