"""``scmamba download``."""

from __future__ import annotations

from pathlib import Path


def download(name: str, *, lock: Path | None = None) -> None:
    """Fetch a registered model into the cache, check every file and load it once.

    Parameters
    ----------
    name
        Name of the model; ``scmamba info`` lists them.
    lock
        File to write the sha256 of every fetched file to, to hold later downloads to.
    """
    from scmamba.models import fetch, info, load

    fetch(name, lock=lock)
    load(name, device="cpu")
    print(info(name))
