"""Tasks by manifest, from a server on this machine."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scmamba import ScmambaError, settings
from scmamba.datasets import nucleotide_transformer, nucleotide_transformer_tasks
from scmamba.datasets.nucleotide_transformer import _manifest

TRAIN = ">chr1:5|x|0\nACGT\nAC\n>b|1\nTTTT\n"
TEST = ">c|1\nGGGG\n"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_: object) -> None:
        """Drop the line."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of the task H3 on the server, and the server's address."""
    manifest = _manifest()
    path = f"datasets/{manifest['repo']}/resolve/{manifest['revision']}/H3"
    folder = tmp_path / "served" / path
    folder.mkdir(parents=True)
    (folder / "train.fna").write_text(TRAIN)
    (folder / "test.fna").write_text(TEST)
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_eighteen_tasks_of_four_kinds() -> None:
    tasks = nucleotide_transformer_tasks()
    counts: dict[str, int] = {}
    for name, task in tasks.items():
        assert task.name == name and task.classes in (2, 3) and task.length <= 600
        counts[task.category] = counts.get(task.category, 0) + 1
    assert counts == {"promoter": 3, "enhancer": 2, "splice site": 3, "histone": 10}


def test_fetched_read_and_kept(hub: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = hub
    options = {"folder": tmp_path / "kept", "base_url": url, "progressbar": False}
    tables = nucleotide_transformer("H3", **options)
    assert tables["train"]["sequence"].tolist() == ["ACGTAC", "TTTT"]
    assert tables["train"]["label"].tolist() == [0, 1]
    assert tables["train"].index.tolist() == ["chr1:5|x", "b"]
    assert tables["test"]["sequence"].tolist() == ["GGGG"]
    (folder / "train.fna").unlink()
    assert nucleotide_transformer("H3", **options)["train"].equals(tables["train"])


def test_cache_folder_and_endpoint(
    hub: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "cache")
    monkeypatch.setenv("HF_ENDPOINT", hub[1])
    nucleotide_transformer("H3", progressbar=False)
    kept = tmp_path / "cache" / "datasets" / "nucleotide_transformer"
    assert sorted(json.loads((kept / "lock.json").read_text())) == ["H3/test", "H3/train"]


def test_a_file_that_changed_is_refused(hub: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = hub
    options = {"folder": tmp_path / "kept", "base_url": url, "progressbar": False}
    nucleotide_transformer("H3", **options)
    (folder / "train.fna").write_text(TRAIN.replace("TTTT", "AAAA"))
    (tmp_path / "kept" / "H3" / "train" / "train.fna").unlink()
    with pytest.raises(ScmambaError, match="not the one that the manifest describes"):
        nucleotide_transformer("H3", **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (">a\nACGT\n", "should end with '|' and a class from 0 to 1"),
        (">a|2\nACGT\n", "a class from 0 to 1"),
        ("\n", "holds no sequence"),
    ],
)
def test_other_layouts(hub: tuple[Path, str], tmp_path: Path, content: str, message: str) -> None:
    (hub[0] / "train.fna").write_text(content)
    with pytest.raises(ScmambaError, match=message.replace("|", r"\|")):
        nucleotide_transformer("H3", folder=tmp_path, base_url=hub[1], progressbar=False)


def test_unknown_task() -> None:
    with pytest.raises(ScmambaError, match="task='H5'; allowed: promoter_all"):
        nucleotide_transformer("H5")
