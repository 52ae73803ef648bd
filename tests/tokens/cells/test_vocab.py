"""Vocabularies: order, special tokens, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scmamba import ScmambaError
from scmamba.tokens import Vocab


def test_special_tokens_are_appended_in_order() -> None:
    vocab = Vocab(["B", "A"])
    assert vocab.tokens == ("B", "A", "<pad>", "<cls>", "<eoc>")
    assert (vocab.pad_id, vocab.cls_id, vocab.eoc_id) == (2, 3, 4)
    assert vocab.genes == ("B", "A")


def test_special_tokens_that_are_there_keep_their_place() -> None:
    vocab = Vocab(["<cls>", "A", "<pad>"])
    assert vocab.tokens == ("<cls>", "A", "<pad>", "<eoc>")
    assert (vocab.pad_id, vocab.cls_id, vocab.eoc_id) == (2, 0, 3)


def test_index_and_membership() -> None:
    vocab = Vocab(["B", "A"])
    assert vocab.index(["A", "C", "B", "A"]).tolist() == [1, -1, 0, 1]
    assert "A" in vocab and "C" not in vocab and vocab["A"] == 1 and len(vocab) == 5


def test_file_round_trip(tmp_path: Path) -> None:
    vocab = Vocab(["B", "A", "HLA-Aé"])
    vocab.to_json(tmp_path / "vocab.json")
    assert Vocab.from_json(tmp_path / "vocab.json") == vocab
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.json"]


def test_published_file_orders_by_id(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"Z": 1, "Y": 0, "<cls>": 2}')
    vocab = Vocab.from_json(tmp_path / "vocab.json")
    assert vocab.tokens == ("Y", "Z", "<cls>", "<pad>", "<eoc>")


def test_golden_vocabulary(golden: Path) -> None:
    path = golden / "scmamba2_tiny" / "vocab.json"
    vocab = Vocab.from_json(path)
    assert all(vocab[token] == i for token, i in json.loads(path.read_text()).items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"A": 0, "B": 2}', "ids of 2 tokens must be 0 to 1"),
        ('{"A": 0, "B": true}', "must be 0 to 1"),
        ('["A", "A"]', "each token once; 1 occur more often, for example A"),
        ('["A", 3]', "holds strings; got 3"),
        ('"A"', "holds a str"),
        ('{"A": 0', "is not JSON"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "vocab.json").write_text(content)
    with pytest.raises(ScmambaError, match=message):
        Vocab.from_json(tmp_path / "vocab.json")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="no vocabulary at"):
        Vocab.from_json(tmp_path / "vocab.json")
