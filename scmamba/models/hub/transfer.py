"""Bytes from a server that nobody vouches for: so many, and not slower than a limit, or none."""

from __future__ import annotations

import io
import threading
import time
from typing import Any, BinaryIO

import requests

from scmamba._errors import ScmambaError
from scmamba._progress import progress_bar
from scmamba._read import parse_json

TIMEOUT = 8
"""Seconds without a byte after which a server counts as gone."""

PATIENCE = 9.0
"""Seconds that an answer may take, beside the time that its bytes take at the slowest rate."""

SLOWEST = 32 * 1024
"""Bytes a second below which a download is stopped."""

MAX_ANSWER = 16 * 2**20
"""Largest page or listing that is read, in bytes."""

_PIECE = 2**16


class Unreachable(ScmambaError):
    """A source that cannot be asked, so that another may be."""


def unreachable(url: str, error: Exception, by_hand: str) -> Unreachable:
    """The error for an address that does not answer as it should."""
    return Unreachable(f"cannot fetch {url} ({type(error).__name__}). {by_hand}")


def get_json(url: str, by_hand: str) -> Any:
    """The JSON value that ``url`` answers with.

    Parameters
    ----------
    url
        What to ask.
    by_hand
        How to do without an answer, for errors.

    Raises
    ------
    Unreachable
        The server is not there, answers with an error, or is too slow.
    ScmambaError
        The answer is too large or is not JSON.
    """
    content = io.BytesIO()
    receive(url, content, by_hand, max_bytes=MAX_ANSWER)
    return parse_json(content.getvalue(), url)


def receive(
    url: str, out: BinaryIO, by_hand: str, *, max_bytes: int, progress: str | None = None
) -> None:
    """Write what ``url`` sends to ``out``.

    Parameters
    ----------
    url
        What to ask.
    out
        A file opened for writing bytes.
    by_hand
        How to do without a download, for errors.
    max_bytes
        More is an error, and is not received.
    progress
        Name of a bar that shows how far the download is; None: no bar.

    Raises
    ------
    Unreachable
        The server is not there, answers with an error, or is slower than 32 KiB a second on
        average after its first seconds.
    ScmambaError
        It sends more, or packed bytes that would have to be unpacked.
    """
    receiver = _Receiver(url, out, max_bytes)
    receiver.start()
    started = time.monotonic()
    with progress_bar(
        progress or "", max_bytes, unit="B", unit_scale=True, delay=1, shown=progress is not None
    ) as bar:
        try:
            while receiver.is_alive():
                receiver.join(0.1)
                bar.update(receiver.received - bar.n)
                if time.monotonic() - started > PATIENCE + receiver.received / SLOWEST:
                    raise Unreachable(
                        f"{url} sends too slowly: {receiver.received} bytes in "
                        f"{time.monotonic() - started:.0f} seconds. Try again later. {by_hand}"
                    )
        finally:
            receiver.stopped.set()
    if isinstance(receiver.error, ScmambaError):
        raise ScmambaError(f"{receiver.error}. {by_hand}") from receiver.error
    if receiver.error is not None:
        raise unreachable(url, receiver.error, by_hand) from receiver.error


class _Receiver(threading.Thread):
    """Receives in a thread of its own, so that whoever waits for it can give up at any time.

    ``received`` counts the bytes, ``error`` is what stopped it, and ``stopped`` tells it to end.
    """

    def __init__(self, url: str, out: BinaryIO, max_bytes: int) -> None:
        super().__init__(daemon=True)
        self.url, self.out, self.max_bytes = url, out, max_bytes
        self.received = 0
        self.error: Exception | None = None
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            self._receive()
        except Exception as error:  # told by the thread that waits
            self.error = error

    def _receive(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        with requests.get(self.url, stream=True, timeout=TIMEOUT, headers=headers) as reply:
            reply.raise_for_status()
            encoding = reply.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                raise ScmambaError(f"{self.url} sends {encoding}, which was not asked for")
            for piece in reply.iter_content(_PIECE):
                self.received += len(piece)
                if self.received > self.max_bytes:
                    raise ScmambaError(f"{self.url} sends more than {self.max_bytes} bytes")
                if self.stopped.is_set():
                    return
                self.out.write(piece)
