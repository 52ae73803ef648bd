"""Order of the cells of an epoch: blocks at random places, cut into streams of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError

Ints = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float64]
_COPIES, _BLOCKS, _MIX = 1, 2, 3
"""What random numbers are for."""


@dataclass(frozen=True)
class EpochOrder:
    """Which cells an epoch reads, in which order.

    Cells lie in blocks of neighbors. The blocks of all data sets are shuffled and strung together,
    and the string is cut into as many runs of equal length as there are streams. A stream reads
    its run a buffer of blocks at a time and shuffles the cells of the buffer. Each process reads
    whole streams, so that cells and batches are the same on any number of processes.

    Attributes
    ----------
    files
        (n,) data set of each cell of the epoch, in the order of the string.
    rows
        (n,) position of the cell in its data set.
    runs
        (n_streams + 1,) where the runs begin, and the end of the last.
    buffer
        Number of cells that a stream shuffles at once.
    n_steps
        Batches of each stream.
    seed, epoch
        Seeds of all draws.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream.corpus_order import EpochOrder
    >>> order = EpochOrder.of([np.arange(7), np.arange(4)], None, block=2, buffer=4, batch=3)
    >>> cells = [pair for i in range(order.n_steps) for pair in zip(*order.step(0, i))]
    >>> len(cells), len(set(cells))
    (11, 11)
    """

    files: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    runs: Ints
    buffer: int
    n_steps: int
    seed: int
    epoch: int

    @classmethod
    def of(
        cls,
        rows: Sequence[Ints],
        rates: Sequence[Rates] | None,
        *,
        block: int,
        buffer: int,
        batch: int,
        streams: int = 1,
        seed: int = 0,
        epoch: int = 0,
    ) -> EpochOrder:
        """Draw the order of an epoch.

        Parameters
        ----------
        rows
            Of each data set, ascending positions of its cells.
        rates
            Of each data set, how often each of these cells is read on average; None: once.
        block, buffer
            Cells of a block, and blocks of a buffer.
        batch
            Cells of a batch of one stream.
        streams
            Number of streams.
        seed, epoch
            Seeds.

        Raises
        ------
        ScmambaError
            There are fewer cells than streams.
        """
        drawn = list(rows) if rates is None else _repeated(rows, rates, seed, epoch)
        starts = [(f, s) for f, own in enumerate(drawn) for s in range(0, len(own), block)]
        n = sum(map(len, drawn))
        if n < streams:
            raise ScmambaError(f"{n} cells for {streams} processes; give one at least to each")
        order = np.random.default_rng([seed, epoch, _BLOCKS]).permutation(len(starts))
        parts = [(starts[i][0], drawn[starts[i][0]][starts[i][1] :][:block]) for i in order]
        sizes = [len(part) for _, part in parts]
        return cls(
            files=np.repeat(np.array([f for f, _ in parts], np.int32), sizes),
            rows=np.concatenate([part for _, part in parts]).astype(np.int32),
            runs=np.arange(streams + 1) * n // streams,
            buffer=block * buffer,
            n_steps=max(n // (batch * streams), 1),
            seed=seed,
            epoch=epoch,
        )

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.rows)

    def places(self, stream: int, step: int) -> Ints:
        """(n,) places in the string of the cells of a batch of a stream."""
        first, n = self.runs[stream], self.runs[stream + 1] - self.runs[stream]
        start, stop = n * step // self.n_steps, n * (step + 1) // self.n_steps
        found = []
        while start < stop:
            number = start // self.buffer
            end = min(stop, (number + 1) * self.buffer)
            mixed = self.mixed(stream, number)
            found.append(mixed[start - number * self.buffer : end - number * self.buffer])
            start = end
        return first + np.concatenate(found)

    def step(self, stream: int, step: int) -> tuple[Ints, Ints]:
        """Return data sets and positions of the cells of a batch of a stream."""
        places = self.places(stream, step)
        return self.files[places].astype(np.int64), self.rows[places].astype(np.int64)

    def mixed(self, stream: int, number: int) -> Ints:
        """Places in the run, in shuffled order, of the cells of a buffer."""
        n = int(self.runs[stream + 1] - self.runs[stream])
        start = number * self.buffer
        rng = np.random.default_rng([self.seed, self.epoch, _MIX, stream, number])
        return start + rng.permutation(min(self.buffer, n - start))


def sampling_rates(
    n_cells: Sequence[int],
    labels: Sequence[Ints],
    *,
    weights: Sequence[float],
    dataset_power: float,
    label_power: float,
) -> list[Rates] | None:
    """How often each cell is read in an epoch on average; 1 in the mean over all cells.

    Parameters
    ----------
    n_cells
        Cells of each data set.
    labels
        Of each data set, (n_cells,) codes, below 0 where unknown.
    weights
        Relative weight of each data set.
    dataset_power, label_power
        0: in proportion to the number of cells; 1: all data sets, or all labels, equally often.

    Returns
    -------
    Rates of each data set; None where every cell is read once.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream.corpus_order import sampling_rates
    >>> none = [np.full(30, -1), np.full(10, -1)]
    >>> rates = sampling_rates(
    ...     [30, 10], none, weights=[1, 1], dataset_power=1.0, label_power=0.0
    ... )
    >>> [round(float(r.sum()), 3) for r in rates]
    [20.0, 20.0]
    """
    if not dataset_power and not label_power and len(set(weights)) == 1:
        return None
    known = np.concatenate([one[one >= 0] for one in labels])
    of_label = np.maximum(np.bincount(known), 1.0) ** -label_power if len(known) else np.ones(0)
    if len(known):
        of_label /= of_label[known].mean()
    rates = []
    for n, own, weight in zip(n_cells, labels, weights, strict=True):
        rate = np.ones(n)
        rate[own >= 0] = of_label[own[own >= 0]]
        rates.append(rate * weight * max(n, 1) ** -dataset_power)
    total = sum(rate.sum() for rate in rates)
    return [rate * (sum(n_cells) / total) for rate in rates]


def _repeated(rows: Sequence[Ints], rates: Sequence[Rates], seed: int, epoch: int) -> list[Ints]:
    """Rows as often as they are read in this epoch: the rate, rounded up or down at random."""
    drawn = []
    for number, (own, rate) in enumerate(zip(rows, rates, strict=True)):
        rng = np.random.default_rng([seed, epoch, _COPIES, number])
        times = np.floor(rate + rng.random(len(rate))).astype(np.int64)
        drawn.append(np.repeat(own, times))
    return drawn
