"""One allowed form for texts of the user that become names in files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import anndata as ad
import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba._keys import Keys, file_key

TEXTS = ["donor 1", "donor1/run2", "/abs", "..", ".", "", "100%", "a\\b", "tab\t", "\x00", "__a"]


@pytest.mark.parametrize(
    "prefix", ["a/b", "/abs", "..", ".", "", "a\\b", "a\nb", " a", "__a", "a%", "x" * 101, None, 3]
)
def test_a_prefix_that_no_file_can_hold_is_refused(prefix: object) -> None:
    with pytest.raises(ScmambaError, match="key_added=.* such as 'run1'"):
        Keys(prefix)  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["scmamba", "run 1", "läuft", "a.b", "v1:2", "x" * 100])
def test_other_prefixes_are_kept(prefix: str) -> None:
    assert Keys(prefix).embedding == f"X_{prefix}"


def test_different_texts_have_different_keys_that_tell_the_text() -> None:
    keys = [file_key(text) for text in TEXTS]
    assert len(set(keys)) == len(TEXTS)
    assert [unquote(key) for key in keys if key != "%"] == [text for text in TEXTS if text]
    long = [file_key("x" * 300 + end) for end in "ab"]
    assert long[0] != long[1] and all(len(key.encode()) <= 200 for key in long)


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_every_key_survives_a_file(tmp_path: Path, ending: str) -> None:
    texts = [*TEXTS, "x" * 300, "ä" * 200]
    adata = ad.AnnData(np.zeros((2, 2), np.float32))
    adata.uns["names"] = {file_key(text): text for text in texts if "\x00" not in text}
    path = tmp_path / f"cells.{ending}"
    if ending == "zarr":
        adata.write_zarr(path)
        found = ad.read_zarr(path)
    else:
        adata.write_h5ad(path)
        found = ad.read_h5ad(path)
    assert {key: str(text) for key, text in found.uns["names"].items()} == adata.uns["names"]
