"""The cell model: one backbone for published and new weights, heads as the config asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.models.cell import _parts as parts
from scmamba.models.cell._parts import given
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.output import CellOutput
from scmamba.nn.adversary import BatchDiscriminator
from scmamba.nn.embed import COMBINE, GeneEmbedding, LabelEmbedding, PlainValue, ValueEmbedding
from scmamba.nn.heads import ClassHead, ExpressionHead, MVCHead
from scmamba.nn.latent import LatentHead, sample
from scmamba.nn.norm import DomainBatchNorm, MaskedBatchNorm1d
from scmamba.nn.pool import bag_mean
from scmamba.nn.stack import Stack

if TYPE_CHECKING:
    from scmamba.models.checkpoint.report import LoadReport
    from scmamba.tokens.vocab import Vocab

HEADS = ("expression", "mvc", "class", "batch", "latent", "counts")


class CellModel(nn.Module):
    """Bidirectional Mamba-2 over the genes of a cell.

    Parameters
    ----------
    config
        Sizes, norms and heads.

    Attributes
    ----------
    config
        As given.
    vocab
        Names of the genes, or None.
    report
        What loading matched and missed, or None for a model that was not loaded.
    name, sha256
        Where the weights come from and the hash of their file, or None.
    """

    def __init__(self, config: CellConfig) -> None:
        super().__init__()
        self.config = c = config
        self.vocab: Vocab | None = None
        self.report: LoadReport | None = None
        self.name: str | None = None
        self.sha256: str | None = None

        self.gene_embedding = GeneEmbedding(c.n_genes, c.d_model, norm=c.gene_norm)
        self.value_embedding: nn.Module = PlainValue(clip=c.value_clip)
        if c.value_encoding != "product":
            self.value_embedding = ValueEmbedding(c.d_model, dropout=c.dropout, clip=c.value_clip)
        self.input_norm: nn.Module | None = None
        if c.input_norm == "batch":
            self.input_norm = MaskedBatchNorm1d(c.d_model, affine=c.input_norm_affine)
        elif c.input_norm == "domain":
            self.input_norm = DomainBatchNorm(c.d_model, c.n_domains, affine=c.input_norm_affine)
        self.stack = Stack(
            c.n_layer,
            c.d_model,
            pre_norm=c.pre_norm,
            mlp_ratio=c.mlp_ratio,
            dropout=c.layer_dropout,
            d_state=c.d_state,
            d_conv=c.d_conv,
            expand=c.expand,
            headdim=c.headdim,
            ngroups=c.ngroups,
            chunk_size=c.chunk_size,
        )
        self.final_norm = nn.LayerNorm(c.d_model) if c.pre_norm and c.final_norm else None
        self.pool = parts.pool(c)
        self.cell_norm = parts.cell_norm(c)
        self.latent_head = LatentHead(c.d_model, c.n_latent) if c.n_latent else None

        batch_labels = c.batch_labels and c.n_batches > 0
        self.batch_embedding = LabelEmbedding(c.n_batches, c.d_model) if batch_labels else None
        self.modality_embedding = (
            LabelEmbedding(c.n_modalities, c.d_model) if c.n_modalities else None
        )
        label: dict[str, Any] = {
            "d_label": c.d_model if batch_labels or c.n_modalities else 0,
            "explicit_zero": c.explicit_zero,
        }
        self.expression_head = ExpressionHead(c.d_model, **label) if c.expression else None
        self.mvc_head = MVCHead(c.d_model, d_cell=c.d_cell, **label) if c.mvc else None
        self.class_head = (
            ClassHead(c.d_cell, c.n_classes, n_layer=c.class_layers, dropout=c.class_dropout)
            if c.n_classes
            else None
        )
        self.batch_discriminator = (
            BatchDiscriminator(c.d_cell, c.n_batches, n_layer=c.adversary_layers)
            if c.adversary
            else None
        )
        self.count_head = parts.count_head(c) if c.n_counts else None

    @property
    def heads(self) -> tuple[str, ...]:
        """Those of :data:`HEADS` that the model has."""
        made = (
            self.expression_head,
            self.mvc_head,
            self.class_head,
            self.batch_discriminator,
            self.latent_head,
            self.count_head,
        )
        return tuple(name for name, head in zip(HEADS, made, strict=True) if head is not None)

    @property
    def is_bag(self) -> bool:
        """Whether the pooled cell is a mean of genes' vectors times values, and nothing more."""
        c = self.config
        plain = c.input_norm == "none" and not c.gene_norm and self.final_norm is None
        return plain and (c.n_layer, c.value_encoding, c.pool) == (0, "product", "mean")

    def encode(
        self,
        gene_ids: Tensor,
        values: Tensor,
        padding_mask: Tensor | None = None,
        batch_ids: Tensor | None = None,
    ) -> Tensor:
        """Hidden states (B, L, D), in the order of the tokens given.

        Parameters
        ----------
        gene_ids
            (B, L) integers in [0, n_genes).
        values
            (B, L) binned expression.
        padding_mask
            (B, L), True where padded.
        batch_ids
            (B,) the domain of each cell; needed by ``input_norm="domain"`` alone.
        """
        genes = self.gene_embedding(gene_ids)
        return self._encode(genes, values, padding_mask, batch_ids)

    def _encode(
        self, genes: Tensor, values: Tensor, padding_mask: Tensor | None, batch_ids: Tensor | None
    ) -> Tensor:
        x = COMBINE[self.config.value_encoding](genes, self.value_embedding(values))
        if isinstance(self.input_norm, DomainBatchNorm):
            x = self.input_norm(x, given(batch_ids, "batch_ids", "a domain norm"), padding_mask)
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
        heads: Collection[str] = HEADS,
    ) -> CellOutput:
        """Hidden states, cell embedding, and what the heads make of them.

        Parameters
        ----------
        gene_ids, values, padding_mask
            As in :meth:`encode`.
        batch_ids
            (B,) the batch of each cell; needed by batch labels and by a domain norm.
        modality_ids
            (B, L) the modality of each token; needed where the config counts modalities.
        heads
            Which heads to run where the model has them, of :data:`HEADS`. Leaving one out saves
            its time, but for the latent, which is the cell embedding.
        """
        if unknown := set(heads) - set(HEADS):
            raise ScmambaError(f"heads={sorted(unknown)}; allowed: {', '.join(map(repr, HEADS))}")
        genes = hidden = None
        if self.is_bag and not (self.expression_head is not None and "expression" in heads):
            pooled = self.pooled(gene_ids, values, padding_mask)
        else:
            genes = self.gene_embedding(gene_ids)
            hidden = self._encode(genes, values, padding_mask, batch_ids)
            pooled = self._pool(hidden, gene_ids, values, padding_mask)
        cell, log_var = self.finish(pooled, batch_ids)
        # Heads that rebuild the cell see a draw of the latent, as their likelihood asks.
        drawn = sample(cell, log_var) if log_var is not None and self.training else cell
        expression = zero = mvc = mvc_zero = None
        token_label: Tensor | None = None
        if {"expression", "mvc"} & set(heads):
            token_label = self._labels(batch_ids, modality_ids, gene_ids)
        if self.expression_head is not None and "expression" in heads:
            assert hidden is not None
            expression, zero = self.expression_head(hidden, token_label)
        if self.mvc_head is not None and "mvc" in heads:
            # The cell side takes the <cls> token's labels.
            cell_label = None if token_label is None else token_label[:, 0]
            genes = self.gene_embedding(gene_ids) if genes is None else genes
            mvc, mvc_zero = self.mvc_head(drawn, genes, cell_label, token_label)
        classes = batches = None
        if self.class_head is not None and "class" in heads:
            classes = self.class_head(cell)
        if self.batch_discriminator is not None and "batch" in heads:
            batches = self.batch_discriminator(cell)
        share = dispersion = None
        if self.count_head is not None and "counts" in heads:
            share = self.decode_counts(drawn, batch_ids)
            dispersion = self.count_head.log_dispersion
        return CellOutput(
            hidden,
            cell,
            expression,
            zero,
            mvc,
            mvc_zero,
            classes,
            batches,
            log_var,
            share,
            dispersion,
        )

    def pooled(
        self,
        gene_ids: Tensor,
        values: Tensor,
        padding_mask: Tensor | None = None,
        batch_ids: Tensor | None = None,
    ) -> Tensor:
        """The cell (B, D) before its norm and latent, which :meth:`finish` adds."""
        if self.is_bag:
            table, numbers = self.gene_embedding.embedding.weight, self.value_embedding(values)
            return bag_mean(table, gene_ids, numbers[..., 0], self._unseen(values, padding_mask))
        hidden = self.encode(gene_ids, values, padding_mask, batch_ids)
        return self._pool(hidden, gene_ids, values, padding_mask)

    def _pool(
        self, hidden: Tensor, gene_ids: Tensor, values: Tensor, padding_mask: Tensor | None
    ) -> Tensor:
        return self.pool(hidden, gene_ids, self._unseen(values, padding_mask))

    def _unseen(self, values: Tensor, padding_mask: Tensor | None) -> Tensor | None:
        """Tokens (B, L) that are not pooled."""
        if self.config.pool_masked:
            return padding_mask
        masked = values == self.config.mask_value
        return masked if padding_mask is None else masked | padding_mask

    def finish(
        self, pooled: Tensor, batch_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """From the pooled (B, D) to the cell embedding (B, d_cell) and its log variance or None."""
        if isinstance(self.cell_norm, DomainBatchNorm):
            ids = given(batch_ids, "batch_ids", "a cell norm per batch")
            pooled = self.cell_norm(pooled[:, None], ids)[:, 0]
        elif self.cell_norm is not None:
            pooled = self.cell_norm(pooled)
        return (pooled, None) if self.latent_head is None else self.latent_head(pooled)

    def decode_counts(self, cell: Tensor, batch_ids: Tensor | None = None) -> Tensor:
        """Logarithms of genes' shares (B, n_counts) in cells of embedding (B, d_cell).

        ``batch_ids`` (B,) says as of which batch; it need not be the cell's own.
        """
        if self.count_head is None:
            raise ScmambaError("this model decodes no counts; make it with n_counts above 0")
        label = None
        if self.batch_embedding is not None:
            label = self.batch_embedding(given(batch_ids, "batch_ids", "batch labels"))
        return self.count_head(cell, label, batch_ids)

    def _labels(
        self, batch_ids: Tensor | None, modality_ids: Tensor | None, gene_ids: Tensor
    ) -> Tensor | None:
        """Sum of batch and modality embeddings, one a token (B, L, D), for the decoders."""
        label: Tensor | None = None
        if self.batch_embedding is not None:
            batch = self.batch_embedding(given(batch_ids, "batch_ids", "batch labels"))
            label = batch[:, None].expand(-1, gene_ids.shape[1], -1)
        if self.modality_embedding is not None:
            ids = given(modality_ids, "modality_ids", "modality labels")
            modality = self.modality_embedding(ids)
            label = modality if label is None else label + modality
        return label

    @torch.no_grad()
    def init_gene_embedding(
        self, matrix: np.ndarray | Tensor, gene_ids: np.ndarray | Tensor | None = None
    ) -> None:
        """Start gene embeddings from what is known of the genes, for example loadings of an SVD.

        The matrix is brought to a root mean square of 1, that of random embeddings. Columns
        beyond its own stay random at a tenth of that, and rows that are not given stay as they are.

        Parameters
        ----------
        matrix
            (n, d) with d <= d_model, finite; n is ``n_genes`` where ``gene_ids`` is None.
        gene_ids
            (n,) the vocabulary id of each row.
        """
        table = self.gene_embedding.embedding.weight
        rows = torch.as_tensor(matrix, dtype=table.dtype, device=table.device)
        n = len(table) if gene_ids is None else len(gene_ids)
        if rows.ndim != 2 or len(rows) != n or not 0 < rows.shape[1] <= table.shape[1]:
            raise ScmambaError(
                f"matrix has shape {tuple(rows.shape)}; give ({n}, d) with d from 1 to "
                f"d_model={table.shape[1]}"
            )
        if not bool(rows.isfinite().all()):
            raise ScmambaError("matrix holds NaN or infinite numbers; leave those genes out")
        start = 0.1 * torch.randn(n, table.shape[1], device=table.device, dtype=table.dtype)
        scale = rows.square().mean().sqrt().clamp(min=torch.finfo(rows.dtype).tiny)
        start[:, : rows.shape[1]] = rows / scale
        ids = slice(None) if gene_ids is None else torch.as_tensor(gene_ids, device=table.device)
        table[ids] = start


def n_parameters(config: CellConfig) -> int:
    """Number of parameters of a model of ``config``, counted without making it."""
    with torch.device("meta"):
        return sum(p.numel() for p in CellModel(config).parameters())
