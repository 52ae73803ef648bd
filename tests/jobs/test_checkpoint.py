"""Results kept block by block, and gone on with."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scmamba.jobs.checkpoint import Checkpoint, read_state


def blocks(start: int = 0, stop: int = 3):
    for i in range(start, stop):
        rows = slice(2 * i, 2 * i + 2)
        yield rows, {"a": np.full((2, 3), i, np.float32), "flag": np.array([True, i == 1])}


@pytest.mark.parametrize("kept", [False, True])
def test_columns_hold_what_was_put(tmp_path, kept) -> None:
    store = Checkpoint(6, tmp_path / "part" if kept else None)
    for rows, columns in blocks():
        store.put(rows, columns)
    np.testing.assert_array_equal(store["a"], np.repeat(np.arange(3), 2)[:, None] * np.ones(3))
    assert store["flag"].tolist() == [True, False, True, True, True, False]
    assert store.done == 6


def test_another_run_goes_on_where_one_stopped(tmp_path) -> None:
    first = Checkpoint(6, tmp_path / "part", "call")
    for rows, columns in blocks(0, 2):
        first.put(rows, columns)
    again = Checkpoint(6, tmp_path / "part", "call")
    assert again.done == 4
    for rows, columns in blocks(2):
        again.put(rows, columns)
    np.testing.assert_array_equal(again["a"][:, 0], [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(("n_rows", "call"), [(6, "other"), (7, "call")])
def test_another_call_begins_anew(tmp_path, n_rows, call, caplog) -> None:
    for rows, columns in blocks():
        Checkpoint(6, tmp_path / "part", "call").put(rows, columns)
    caplog.set_level("INFO", "scmamba")
    assert Checkpoint(n_rows, tmp_path / "part", call).done == 0
    assert "starting again" in caplog.text
    assert list((tmp_path / "part").iterdir()) == []


def test_a_block_that_was_not_finished_is_done_again(tmp_path) -> None:
    store = Checkpoint(6, tmp_path / "part", "call")
    (rows, columns), (_, broken), _ = blocks()
    store.put(rows, columns)
    with pytest.raises(ValueError, match="a has shape"):
        store.put(slice(2, 4), {**broken, "a": np.zeros((5, 3))})
    assert Checkpoint(6, tmp_path / "part", "call").done == 2


def test_a_damaged_note_counts_as_none(tmp_path) -> None:
    (tmp_path / "state.json").write_text('{"key": ')
    assert read_state(tmp_path) == {}
    assert read_state(tmp_path / "nowhere") == {}


def test_a_file_shorter_than_noted_begins_anew(tmp_path, caplog) -> None:
    for rows, columns in blocks():
        Checkpoint(6, tmp_path / "part", "call").put(rows, columns)
    (tmp_path / "part" / "a.bin").write_bytes(b"1234")
    caplog.set_level("INFO", "scmamba")
    assert Checkpoint(6, tmp_path / "part", "call").done == 0
    assert "is damaged: starting again" in caplog.text


@pytest.mark.parametrize("entry", [{"done": 9}, {"done": "2"}, {"columns": {"a": 3}}])
def test_a_note_that_makes_no_sense_begins_anew(tmp_path, entry) -> None:
    for rows, columns in blocks(0, 2):
        Checkpoint(6, tmp_path / "part", "call").put(rows, columns)
    state = read_state(tmp_path / "part")
    (tmp_path / "part" / "state.json").write_text(json.dumps({**state, **entry}))
    assert Checkpoint(6, tmp_path / "part", "call").done == 0
