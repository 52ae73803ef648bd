"""Downloads from untrusted servers, with limits on size and time."""

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
"""Seconds without data after which a server counts as unreachable."""

PATIENCE = 9.0
"""Seconds that a response may take in addition to its transfer at the slowest rate."""

SLOWEST = 32 * 1024
"""Bytes per second below which a download is stopped."""

MAX_ANSWER = 16 * 2**20
"""Largest listing that is read, in bytes."""

_PIECE = 2**16


class Unreachable(ScmambaError):
    """A source cannot be reached; another one may be tried."""


def unreachable(url: str, error: Exception, by_hand: str) -> Unreachable:
    """Return the error for an address that cannot be read."""
    return Unreachable(f"cannot fetch {url} ({type(error).__name__}). {by_hand}")


def get_json(url: str, by_hand: str) -> Any:
    """Download and parse JSON from ``url``.

    Parameters
    ----------
    url
        Address.
    by_hand
        Instructions for a manual download, for errors.

    Raises
    ------
    Unreachable
        If the server cannot be reached, responds with an error, or is too slow.
    ScmambaError
        If the response is too large or is not JSON.
    """
    content = io.BytesIO()
    receive(url, content, by_hand, max_bytes=MAX_ANSWER)
    return parse_json(content.getvalue(), url)


def receive(
    url: str, out: BinaryIO, by_hand: str, *, max_bytes: int, progress: str | None = None
) -> None:
    """Download ``url`` to the file ``out``.

    Parameters
    ----------
    url
        Address.
    out
        File opened for writing bytes.
    by_hand
        Instructions for a manual download, for errors.
    max_bytes
        Largest size in bytes; more is an error.
    progress
        Label of a progress bar; None for no bar.

    Raises
    ------
    Unreachable
        If the server cannot be reached, responds with an error, or is slower than 32 KiB per
        second on average after the first seconds.
    ScmambaError
        If it sends more bytes, or compressed content.
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
    """Thread that downloads, so that the caller can stop waiting at any time.

    ``received`` is the number of bytes, ``error`` the error that ended the thread, and setting
    ``stopped`` ends it.
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
        except Exception as error:  # raised by the waiting thread
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
