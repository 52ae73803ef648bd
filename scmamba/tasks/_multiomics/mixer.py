"""Mamba layers over the tokens of all modalities of a cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from scmamba.nn.stack import Stack
from scmamba.tasks._multiomics.encoder import Values
from scmamba.tasks._multiomics.sizes import Sizes

_HEADDIM = 32


class Mixer(nn.Module):
    """Mamba layers over the tokens of all modalities of a cell, in one sequence.

    A token is the embedding of a feature times its value, plus the embedding of its modality; the
    layers' outputs are pooled by modality and added to the bags. They start as the identity, as
    nothing is added at first.

    Parameters
    ----------
    sizes
        See :class:`Sizes`.

    Attributes
    ----------
    rank
        (n_features of all modalities,) position of each feature in the order of the sequence.
    """

    rank: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, options = sizes.width, dict(sizes.layers)
        if not options:
            width = -(-width * 2 // _HEADDIM) * _HEADDIM // 2
            options = {"pre_norm": True, "d_state": sizes.d_state, "headdim": _HEADDIM}
        self.enter = nn.ModuleList(nn.Linear(d, width) for d in sizes.d_model)
        self.modality = nn.Embedding(len(sizes.kinds), width)
        self.stack = Stack(sizes.n_layer, width, **options)
        self.leave = nn.ModuleList(nn.Linear(width, d, bias=False) for d in sizes.d_model)
        for one in self.leave:
            assert isinstance(one, nn.Linear)
            nn.init.zeros_(one.weight)
        first = [0]
        for n in sizes.n_features:
            first.append(first[-1] + n)
        self.first = first[:-1]
        self.register_buffer("rank", torch.arange(first[-1]))

    def forward(self, values: list[Values], tables: list[Any]) -> list[Tensor]:
        """Return what is added to the pooled vector (B, d) of each modality."""
        n_cells = len(values[0].starts)
        cells, ranks, tokens, kinds = [], [], [], []
        for m, (one, table) in enumerate(zip(values, tables, strict=True)):
            ends = torch.cat([one.starts[1:], one.starts.new_tensor([len(one.features)])])
            cells.append(torch.repeat_interleave(torch.arange(n_cells), ends - one.starts))
            ranks.append(self.rank[self.first[m] + one.features])
            entered = self.enter[m](table[one.features] * one.values[:, None])
            tokens.append(entered + self.modality.weight[m])
            kinds.append(torch.full_like(one.features, m))
        cell, rank, kind = torch.cat(cells), torch.cat(ranks), torch.cat(kinds)
        order = torch.argsort(cell * (int(self.rank.max()) + 1) + rank)
        cell, kind, token = cell[order], kind[order], torch.cat(tokens)[order]
        lengths = torch.bincount(cell, minlength=n_cells)
        place = torch.arange(len(cell)) - (lengths.cumsum(0) - lengths)[cell]
        padded = token.new_zeros(n_cells, max(int(lengths.max()), 1), token.shape[1])
        padded = padded.index_put((cell, place), token)
        mask = torch.arange(padded.shape[1])[None] >= lengths[:, None]
        moved = (self.stack(padded, mask) - padded)[cell, place]
        added = []
        for m, leave in enumerate(self.leave):
            mine = kind == m
            total = token.new_zeros(n_cells, token.shape[1]).index_add(0, cell[mine], moved[mine])
            number = torch.bincount(cell[mine], minlength=n_cells).clamp(min=1)
            added.append(leave(total / number[:, None]))
        return added
