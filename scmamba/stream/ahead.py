"""Items that a thread makes while the ones before them are used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any


def in_advance(make: Callable[[], Iterator[Any]], ahead: int) -> Iterator[Any]:
    """Let a thread make the next ``ahead`` items while the present one is used."""
    items: queue.Queue[Any] = queue.Queue(maxsize=ahead)
    over, end = threading.Event(), object()

    def put(item: Any) -> None:
        while not over.is_set():
            try:
                items.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in make():
                put((item, None))
                if over.is_set():
                    return
            put((end, None))
        except BaseException as error:  # raised where the item is asked for
            put((end, error))

    thread = threading.Thread(target=work, daemon=True, name="scmamba batches")
    thread.start()
    try:
        while True:
            item, error = items.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        over.set()
        thread.join(timeout=10)
