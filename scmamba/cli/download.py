"""``scmamba download``."""

from __future__ import annotations

from pathlib import Path


def download(name: str, *, lock: Path | None = None) -> None:
    """Fetch a registered model into the cache, check every file and keep a safetensors copy.

    Parameters
    ----------
    name
        Name of the model; ``scmamba info`` lists them.
    lock
        File to write the sha256 of every fetched file to, to hold later downloads to.
    """
    from scmamba._files import writable
    from scmamba.models import info, load
    from scmamba.models.download import write_lock
    from scmamba.models.registry import entry

    known = entry(name)
    if lock is not None:
        write_lock(known, writable(lock))
    load(name, device="cpu")
    print(info(name))
