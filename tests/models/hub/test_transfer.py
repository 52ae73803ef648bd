"""Whatever a server sends: a bounded number of bytes in a bounded time, or one error."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scmamba._errors import ScmambaError
from scmamba.models.hub import transfer
from scmamba.models.hub.remote import RemoteFile, fetch_files
from scmamba.models.hub.transfer import Unreachable, get_json, receive

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Make a server that sends ``parts`` to each client, the last one again and again."""
    over = threading.Event()
    threads = []

    def answer(listener: socket.socket, parts: list[bytes], pause: float) -> None:
        with listener:
            while not over.is_set():
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                with client:
                    client.recv(65536)
                    _send(client, parts, pause)

    def _send(client: socket.socket, parts: list[bytes], pause: float) -> None:
        try:
            for part in parts[:-1]:
                client.sendall(part)
            while parts[-1] and not over.is_set():
                client.sendall(parts[-1])
                over.wait(pause)
        except OSError:
            pass  # the client has enough

    def make(*parts: bytes, pause: float = 0.0) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(0.05)
        thread = threading.Thread(target=answer, args=(listener, list(parts), pause))
        thread.start()
        threads.append(thread)
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"

    yield make
    over.set()
    for thread in threads:
        thread.join()


def test_no_more_than_what_is_listed_is_received(serve: Callable[..., str], tmp_path: Path) -> None:
    url = serve(OK + b"Content-Length: 600000000\r\n\r\n", bytes(100_000))
    file = RemoteFile("config.json", 10, f"md5:{hashlib.md5(b'').hexdigest()}", url)
    with pytest.raises(ScmambaError, match=f"{url} sends more than 10 bytes. Copy it by hand"):
        fetch_files([file], tmp_path / "there", "Copy it by hand")
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.parametrize("start", [OK + b"Content-Length: 9999\r\n\r\n", OK, b""])
def test_an_endless_drip_is_stopped(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 0.3)
    url = serve(start, b"X", pause=0.02)  # a drip of the body, of the headers, of the first line
    with pytest.raises(Unreachable, match=f"{url} sends too slowly: 0 bytes in"):
        receive(url, io.BytesIO(), "", max_bytes=9999)


def test_packed_answers_are_refused(serve: Callable[..., str]) -> None:
    body = gzip.compress(b"[" + b" " * 10**7 + b"]")
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    url = serve(OK + b"Content-Encoding: gzip\r\n" + length, body, b"")
    with pytest.raises(ScmambaError, match="sends gzip, which was not asked for"):
        get_json(url, "")


def test_answers_that_are_too_large_or_no_json(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_ANSWER", 1000)
    url = serve(OK + b"\r\n", b" " * 1000)
    with pytest.raises(ScmambaError, match=f"{url} sends more than 1000 bytes"):
        get_json(url, "")
    url = serve(OK + b"Content-Length: 3\r\n\r\n", b"[1,", b"")
    with pytest.raises(ScmambaError, match=f"{url} is not JSON"):
        get_json(url, "")


def test_a_server_that_breaks_off(serve: Callable[..., str]) -> None:
    url = serve(OK + b"Content-Length: 10\r\n\r\n", b"[1,", b"")
    with pytest.raises(Unreachable, match=f"cannot fetch {url}"):
        get_json(url, "")
