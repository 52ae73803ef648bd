"""Views of cells for pretraining: genes drawn, some hidden, as padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from scmamba._arguments import check_count, check_number
from scmamba._errors import ScmambaError
from scmamba.stream.cells import CellTrainBatch
from scmamba.stream.gene_subsets import padded
from scmamba.tokens.cells.tokenize import CellTokens
from scmamba.tokens.cells.vocab import Vocab

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ViewSettings:
    """How views of a cell are drawn.

    Parameters
    ----------
    n_views
        Views of each cell in a batch, which see different genes.
    mask_low, mask_high
        Of the genes of a view, the fraction that is hidden is drawn between these, in [0, 1).
    unexpressed
        Genes that the cell does not express, hidden too, for each hidden gene that it does: else
        being hidden would tell that a gene is expressed.
    keep_prompts
        Probability that a view is given the prompts of its cell, in [0, 1].
    max_tokens
        Expected number of expressed genes of a view, at most; None for no limit.

    Raises
    ------
    ScmambaError
        A value is out of range.

    Examples
    --------
    >>> from scmamba.stream.corpus_views import ViewSettings
    >>> ViewSettings(mask_low=0.2, mask_high=0.6).n_views
    1
    """

    n_views: int = 1
    mask_low: float = 0.15
    mask_high: float = 0.6
    unexpressed: float = 1.0
    keep_prompts: float = 0.5
    max_tokens: int | None = 512

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("n_views", self.n_views, optional=False)
        check_count("max_tokens", self.max_tokens)
        for name in ("mask_low", "mask_high"):
            check_number(name, getattr(self, name), low=0, high=1, open_high=True, optional=False)
        check_number("unexpressed", self.unexpressed, low=0, optional=False)
        check_number("keep_prompts", self.keep_prompts, low=0, high=1, optional=False)
        if self.mask_low > self.mask_high:
            raise ScmambaError(
                f"mask_low={self.mask_low} is above mask_high={self.mask_high}; swap them"
            )

    @property
    def for_validation(self) -> ViewSettings:
        """One view without prompts, of which a middling fraction is hidden."""
        middle = (self.mask_low + self.mask_high) / 2
        return ViewSettings(1, middle, middle, self.unexpressed, 0.0, self.max_tokens)


@dataclass(frozen=True)
class CorpusCells:
    """Cells of a batch as they were read.

    Attributes
    ----------
    ids
        (n,) number of the cell in the corpus.
    files
        (n,) number of its data set.
    tokens
        Expressed genes.
    labels, batches
        (n,) codes, below 0 where unknown.
    prompts
        (n, 2) vocabulary ids, -1 where there is none.
    """

    ids: Ints
    files: Ints
    tokens: CellTokens
    labels: Ints
    batches: Ints
    prompts: Ints

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.ids)


@dataclass(frozen=True)
class _Drawn:
    """Tokens of views, sorted by view, prompts first and then genes by vocabulary id."""

    view: Ints
    gene: Ints
    value: Floats
    hidden: Flags


def make_batch(
    cells: CorpusCells,
    panels: Sequence[Ints],
    vocab: Vocab,
    settings: ViewSettings,
    rng: np.random.Generator,
    *,
    cls_value: float,
    pad_value: float,
    mask_value: float,
    weight: float,
) -> CellTrainBatch:
    """Draw views of cells and pad them.

    Parameters
    ----------
    cells
        Cells of the batch.
    panels
        Of each data set, the vocabulary ids that it measures.
    vocab
        Vocabulary.
    settings
        How views are drawn.
    rng
        Of all draws.
    cls_value, pad_value, mask_value
        Values of ``<cls>``, of padding and of hidden genes.
    weight
        Factor of the loss.
    """
    times = settings.n_views
    ids = np.tile(cells.ids, times)
    drawn = _draw(cells, panels, settings, rng)
    lengths = np.bincount(drawn.view, minlength=len(ids))
    padding = np.arange(lengths.max(initial=0) + 1) > lengths[:, None]  # <cls> comes first
    real = ~padding
    real[:, 0] = False
    shown = np.where(drawn.hidden, np.float32(mask_value), drawn.value)
    return CellTrainBatch(
        rows=torch.from_numpy(ids),
        gene_ids=padded(drawn.gene, real, vocab.cls_id, vocab.pad_id),
        values=padded(shown, real, cls_value, pad_value),
        padding_mask=torch.from_numpy(padding),
        target=padded(drawn.value, real, cls_value, pad_value),
        masked=padded(drawn.hidden, real, False, False),
        labels=torch.from_numpy(np.tile(cells.labels, times)),
        batch_ids=torch.from_numpy(np.tile(cells.batches, times)),
        weight=weight,
    )


def _draw(
    cells: CorpusCells, panels: Sequence[Ints], settings: ViewSettings, rng: np.random.Generator
) -> _Drawn:
    n, times = len(cells), settings.n_views
    tokens = cells.tokens.take(np.tile(np.arange(n), times))
    keep = np.ones(len(tokens))
    if settings.max_tokens is not None:
        keep = np.minimum(keep, settings.max_tokens / np.maximum(tokens.lengths, 1))
    view = np.repeat(np.arange(len(tokens)), tokens.lengths)
    gene, value = tokens.gene_ids.astype(np.int64), tokens.values.astype(np.float32)
    kept = rng.random(len(view)) < keep[view]
    ratio = rng.uniform(settings.mask_low, settings.mask_high, len(tokens))
    hidden = kept & (rng.random(len(view)) < ratio[view])
    files = np.tile(cells.files, times)
    zero_view, zero_gene = _unexpressed(view, gene, view[hidden], files, panels, settings, rng)
    prompt_view, prompt = _prompts(np.tile(cells.prompts, (times, 1)), settings, rng)
    n_zero, n_prompt = len(zero_view), len(prompt)
    views = np.concatenate([prompt_view, view[kept], zero_view])
    genes = np.concatenate([prompt, gene[kept], zero_gene])
    values = np.concatenate(
        [np.ones(n_prompt, np.float32), value[kept], np.zeros(n_zero, np.float32)]
    )
    masked = np.concatenate([np.zeros(n_prompt, bool), hidden[kept], np.ones(n_zero, bool)])
    place = np.concatenate([np.full(n_prompt, -1), gene[kept], zero_gene])
    order = np.lexsort((place, views))
    return _Drawn(views[order], genes[order], values[order], masked[order])


def _unexpressed(
    view: Ints,
    gene: Ints,
    hidden: Ints,
    files: Ints,
    panels: Sequence[Ints],
    settings: ViewSettings,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Return views and genes that the data set measures and the cell does not express."""
    wanted = np.floor(
        np.bincount(hidden, minlength=len(files)) * settings.unexpressed + rng.random(len(files))
    ).astype(np.int64)
    asked = np.repeat(np.arange(len(files)), wanted)
    sizes = np.array([len(panel) for panel in panels])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    of_file = files[asked]
    every = np.concatenate(panels)
    drawn = every[offsets[of_file] + np.floor(rng.random(len(asked)) * sizes[of_file]).astype(int)]
    width = int(every.max(initial=0)) + 1
    pairs = np.sort(asked * width + drawn)
    have = view * width + gene  # ascending, as views and the genes of each are
    place = np.searchsorted(have, pairs)
    new = np.ones(len(pairs), dtype=bool)
    new[1:] = pairs[1:] != pairs[:-1]
    inside = place < len(have)
    new[inside] &= have[place[inside]] != pairs[inside]
    return pairs[new] // width, pairs[new] % width


def _prompts(prompts: Ints, settings: ViewSettings, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return views and ids of given prompts; a view has all of its cell's, or none."""
    given = (rng.random(len(prompts)) < settings.keep_prompts)[:, None] & (prompts >= 0)
    view, which = np.nonzero(given)
    return view, prompts[view, which]
