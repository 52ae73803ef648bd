"""Where the blocks of a call are computed: in this process, or by the workers of a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from scmamba._errors import ScmambaError

T = TypeVar("T")


class ClusterError(ScmambaError):
    """The cluster failed, not the input: what is done is kept for another run of the call."""


class Executor(ABC):
    """Calls one function for many items; results come in the order of the items.

    Attributes
    ----------
    remote
        Whether the function runs in other processes, which read files themselves.

    Examples
    --------
    >>> from scmamba.jobs.executor import open_executor
    >>> with open_executor(None) as executor:
    ...     list(executor.map(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """

    remote: bool

    @abstractmethod
    def map(self, function: Callable[..., T], items: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Call ``function(*item)`` for each item.

        Parameters
        ----------
        function
            Function to compute; other processes are given it once, with all that it holds.
        items
            Arguments of each call, asked for a few calls ahead at most.

        Yields
        ------
        Each result, in order.
        """


class InProcess(Executor):
    """Computes one item after the other, here."""

    remote = False

    def map(self, function: Callable[..., T], items: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """See :meth:`Executor.map`."""
        return (function(*item) for item in items)


HERE = InProcess()


@contextmanager
def open_executor(client: Any) -> Iterator[Executor]:
    """Give the place where blocks are computed.

    Parameters
    ----------
    client
        None: this process. A ``distributed.Client``, or the address of a scheduler, to which a
        client is opened until the block ends: its workers.

    Raises
    ------
    ScmambaError
        dask.distributed is missing, the scheduler does not answer, or a worker has another version
        of scmamba.
    """
    if client is None:
        yield HERE
        return
    from scmamba.jobs.cluster import Cluster, connected

    with connected(client) as open_client:
        yield Cluster(open_client)
