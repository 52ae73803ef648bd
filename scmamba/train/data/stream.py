"""Batches that come from a stream, for data that do not fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from scmamba._errors import ScmambaError
from scmamba.stream.batches import WHOLE, Shard
from scmamba.train.data.epochs import EpochBatches


class StreamEpochs(EpochBatches):
    """Batches that are made while they are read.

    Parameters
    ----------
    make
        Called with the number of an epoch, from 0, and the :class:`~scmamba.stream.Shard` of this
        process; returns an iterable of batches. The same arguments must give the same batches, and
        all processes the same number of them: a resumed run reads them again.
    steps
        Batches per epoch and process. What a stream has left then is not read.
    epochs
        Number of epochs, the same as in the :class:`~scmamba.train.TrainConfig`.
    validation
        Batches to validate on after each epoch.
    fingerprint
        A text that changes with the data, such as a path and a version: a run is resumed only
        where it is the same.

    Examples
    --------
    >>> from scmamba.train import StreamEpochs
    >>> stream = StreamEpochs(lambda epoch, shard: iter("abcd"), steps=3, epochs=2)
    >>> list(stream.epoch(0)), stream.total_steps()
    (['a', 'b', 'c'], 6)
    """

    def __init__(
        self,
        make: Callable[[int, Shard], Iterable[Any]],
        steps: int,
        epochs: int,
        *,
        validation: Sequence[Any] = (),
        fingerprint: str = "",
    ) -> None:
        super().__init__(epochs)
        if steps < 1:
            raise ScmambaError(f"steps={steps}; give 1 or more batches per epoch")
        self.make, self.steps, self.held_out = make, steps, validation
        self.text = fingerprint

    def epoch(self, number: int, shard: Shard = WHOLE) -> StreamPass:
        """Batches of an epoch, counted from 0."""
        return StreamPass(self.make, self.steps, number, shard)

    def validation(self, shard: Shard = WHOLE) -> Iterable[Any]:
        """Batches to validate on."""
        own = self.held_out[shard.rank :: shard.world_size]
        return StreamPass(lambda number, shard: own, len(own), 0, shard) if own else []

    @property
    def validates(self) -> bool:
        """Whether there is anything to validate on."""
        return len(self.held_out) > 0

    def n_batches(self, number: int, world_size: int = 1) -> int:
        """Batches of an epoch, as given."""
        return self.steps

    def fingerprint(self) -> dict[str, str]:
        """Return the text that was given, and the number of steps."""
        return {"stream": self.text, "steps": str(self.steps)}


class StreamPass:
    """One pass over a stream, of exactly as many batches as promised."""

    def __init__(
        self, make: Callable[[int, Shard], Iterable[Any]], steps: int, number: int, shard: Shard
    ) -> None:
        self.make, self.steps, self.number, self.shard = make, steps, number, shard

    def __len__(self) -> int:
        """Return how many there are."""
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        """Go through the batches."""
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[Any]:
        """Return the batches from number ``first`` on."""
        read = 0
        for batch in islice(self.make(self.number, self.shard), self.steps):
            if read >= first:
                yield batch
            read += 1
        if read < self.steps:
            raise ScmambaError(
                f"the stream of epoch {self.number + 1} ended after {read} of {self.steps} "
                "batches; give fewer steps per epoch, or a longer stream"
            )
