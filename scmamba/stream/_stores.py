"""Refusal of zarr stores that would run code when read."""

from __future__ import annotations

import json
import os
from pathlib import Path

from scmamba._errors import ScmambaError
from scmamba._read import read_json

_METADATA = (".zarray", "zarr.json")


def refuse_pickles(store: Path) -> None:
    """Raise ScmambaError where an array of a zarr folder is filtered through pickle.

    Only metadata are read. Unpickling can run arbitrary code.
    """
    for folder, below, files in os.walk(store):
        for name in set(files).intersection(_METADATA):
            content = read_json(Path(folder) / name)
            codecs = [content.get(key) for key in ("filters", "compressor", "codecs")]
            if "pickle" in json.dumps(codecs).casefold():
                raise ScmambaError(
                    f"{store}: the array {os.path.relpath(folder, store)} is stored as pickles, "
                    "which run code when they are read; it was not read. Write the data "
                    "again with adata.write_zarr of a recent anndata, which uses no pickles"
                )
            if name == ".zarray" or content.get("node_type") == "array":
                below.clear()  # chunks
