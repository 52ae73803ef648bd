"""Blocks as tasks of a ``dask.distributed`` cluster; a worker that dies loses nothing."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, TypeVar

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba._version import __version__
from scmamba.jobs.executor import ClusterError, Executor

T = TypeVar("T")

_AHEAD = 2
"""Calls that are handed out for each worker, so that none waits for the next."""
_TRIES = 5
"""How often what every worker needs is sent again after the last of them that held it died."""
_PATIENCE = 30.0
"""Seconds without a result after which a call counts as lost, if no worker computes anything."""
_one_at_a_time = threading.Lock()


class Cluster(Executor):
    """Hands items to the workers of a cluster.

    The function, with the weights of its networks, is sent to each worker once. Results are those
    of one process that uses as many threads for a matrix product. A call whose worker dies is
    made again elsewhere.

    Parameters
    ----------
    client
        A connected ``distributed.Client``.
    """

    remote = True

    def __init__(self, client: Any) -> None:
        self._client = client

    def map(self, function: Callable[..., T], items: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """See :meth:`Executor.map`."""
        calls: deque[_Call] = deque()
        everywhere = _Everywhere(self._client, _Work(function))
        try:
            for item in items:
                calls.append(_Call(everywhere, item))
                if len(calls) > _AHEAD * max(len(self._client.nthreads()), 1):
                    yield calls.popleft().result()
            while calls:
                yield calls.popleft().result()
        finally:
            self._client.cancel([call.future for call in calls])


class _Work:
    """A function as a worker calls it: with the settings of the caller, one call at a time.

    PyTorch uses all threads of a process for one call.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seed, self.precision = function, settings.seed, settings.precision
        self.process = os.getpid()

    def __call__(self, *item: Any) -> Any:
        with _one_at_a_time:
            if os.getpid() != self.process:
                settings.seed, settings.precision = self.seed, self.precision
                settings.verbosity = "error"
            return self.function(*item)


class _Everywhere:
    """Something that every worker holds a copy of, sent again where all copies were lost."""

    def __init__(self, client: Any, thing: Any) -> None:
        self.client, self._thing = client, thing
        self.version = 0
        self._send()

    def _send(self) -> None:
        self.future = self.client.scatter(self._thing, broadcast=True, hash=False)
        self.version += 1

    def send_again(self, lost: int, reason: str) -> None:
        """Send it once more, unless another call found the copies of version ``lost`` lost too."""
        if lost == self.version:
            if self.version > _TRIES:
                raise ClusterError(
                    f"all workers died {_TRIES} times: see their logs (too little memory is the "
                    "usual reason). What is done of files is kept: call again to go on"
                )
            logger.warning("%s: the model is sent again", reason)
            _wait_for_worker(self.client)
            self._send()


class _Call:
    """One call of the function that the workers hold."""

    def __init__(self, everywhere: _Everywhere, item: tuple[Any, ...]) -> None:
        self._everywhere, self._item = everywhere, item
        self._submit()

    def _submit(self) -> None:
        self._version = self._everywhere.version
        self.future = self._everywhere.client.submit(
            _call, self._everywhere.future, *self._item, pure=False
        )

    def _submit_again(self, reason: str) -> None:
        self._everywhere.send_again(self._version, reason)
        self._submit()

    def result(self) -> Any:
        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker

        while True:
            try:
                waits = not self.future.done()
                return self.future.result(timeout=_PATIENCE if waits else None)
            except TimeoutError:
                if self.future.status == "error":  # raised by the function itself
                    raise
                if self._lost():
                    self.future.cancel()
                    self._submit_again("no worker computes a block that was handed out")
            except CancelledError as error:
                if self._everywhere.client.status != "running":
                    raise ClusterError(_GONE) from error
                self._submit_again("all workers that held the model died")
            except KilledWorker as error:
                raise ClusterError(
                    f"every worker that was given one block of cells died ({error}): see their "
                    "logs, and give them more memory. What is done of files is kept: call again "
                    "to go on"
                ) from error
            except CommClosedError as error:
                raise ClusterError(_GONE) from error

    def _lost(self) -> bool:
        """Whether no worker computes the call or any other, though it has not ended.

        A worker that dies at a bad moment can leave a task that the scheduler forgets.
        """
        computing = self._everywhere.client.call_stack()
        return not self.future.done() and not any(computing.values())


_GONE = (
    "the scheduler of the dask cluster is gone; what is done of files is kept: start a cluster and "
    "call again to go on"
)


def _call(work: _Work, *item: Any) -> Any:
    return work(*item)


@contextmanager
def connected(client: Any) -> Iterator[Any]:
    """Give a client of a cluster that has workers with this version of scmamba.

    Parameters
    ----------
    client
        A ``distributed.Client``, which stays open, or the address of a scheduler.

    Raises
    ------
    ScmambaError
        dask.distributed is missing, the scheduler does not answer, or a worker has another version
        of scmamba, or none.
    """
    try:
        import distributed
    except ImportError as error:
        raise ScmambaError(
            "client= needs dask.distributed: pip install 'scmamba[distributed]'"
        ) from error
    if not isinstance(client, (str, distributed.Client)):
        raise ScmambaError(
            f"client is {type(client).__name__} {str(client)[:40]!r}; allowed: a "
            "distributed.Client, or the address of a scheduler such as 'tcp://host:8786'"
        )
    if isinstance(client, distributed.Client):
        if client.asynchronous or client.status != "running":
            raise ScmambaError(
                "client is asynchronous or closed; give a distributed.Client(...) that is open "
                "and waits for its results"
            )
        _check_workers(client)
        yield client
        return
    try:
        opened = distributed.Client(client, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ScmambaError(
            f"no dask scheduler answers at {client!r} ({error}); start one with 'dask scheduler' "
            "and give the address that it prints, such as 'tcp://host:8786'"
        ) from error
    with opened:
        _check_workers(opened)
        yield opened


def _check_workers(client: Any) -> None:
    """Raise ScmambaError unless all workers that there are can compute what is sent to them."""
    _wait_for_worker(client)
    try:
        versions = client.run(_version)
    except Exception as error:  # whatever an import on a worker may raise
        raise ScmambaError(
            f"a worker of the dask cluster cannot import scmamba ({error}); install scmamba "
            f"{__version__} where the workers run"
        ) from error
    for address, version in versions.items():
        if version != __version__:
            raise ScmambaError(
                f"the worker {address} has scmamba {version}, this process {__version__}; install "
                "the same version on both"
            )


def _wait_for_worker(client: Any) -> None:
    """Wait until there is a worker; a cluster that grows with its tasks starts one for this."""
    if not client.nthreads():
        logger.warning("the dask cluster has no worker: waiting for one")
    client.submit(os.getpid, pure=False).result()


def _version() -> str:
    return __version__
