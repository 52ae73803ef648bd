"""Rows are shared among threads, each exactly once, whoever calls and in whichever process."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from scmamba._compiled import for_rows


@pytest.fixture(autouse=True, params=[False, True], ids=["own threads", "torch's threads"])
def _eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(for_rows.__kwdefaults__, "amid_torch", request.param)
    monkeypatch.setattr("scmamba._compiled._MIN_WORK", 1)
    torch.set_num_threads(4)


def times_done(n_rows: int) -> list[int]:
    done = np.zeros(n_rows, dtype=int)

    def work(start: int, stop: int) -> None:
        done[start:stop] += 1

    for_rows(work, n_rows, 10 * n_rows)
    return done.tolist()


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 15, 16, 17, 1000])
@pytest.mark.parametrize("threads", [1, 2, 4, 64])
def test_every_row_once(n_rows: int, threads: int) -> None:
    torch.set_num_threads(threads)
    assert times_done(n_rows) == [1] * n_rows


def test_several_threads_work_at_the_same_time() -> None:
    torch.set_num_threads(2)  # one more than this thread is there on any machine
    meeting = threading.Barrier(2, timeout=300)
    names = []

    def work(start: int, stop: int) -> None:
        if start < 2:  # no block comes before two threads have one
            meeting.wait()
        names.append(threading.current_thread().name)

    for_rows(work, 8, 8)
    assert len(set(names)) == 2
    assert threading.current_thread().name in names


def test_little_work_stays_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scmamba._compiled._MIN_WORK", 100)
    calls = []
    for_rows(lambda start, stop: calls.append((start, stop)), 50, 199)
    assert calls == [(0, 50)]


def test_calls_within_calls_and_from_many_threads() -> None:
    def work(start: int, stop: int) -> None:
        assert times_done(40) == [1] * 40

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda _: for_rows(work, 30, 30), range(20)))


def test_an_error_in_any_block_comes_out() -> None:
    def work(start: int, stop: int) -> None:
        if start == 14:
            raise ValueError("fourteen")

    for _ in range(20):
        with pytest.raises(ValueError, match="fourteen"):
            for_rows(work, 16, 16)
    assert times_done(99) == [1] * 99


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_works_on() -> None:
    assert times_done(99) == [1] * 99
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(times_done, (99,)).get(timeout=300) == [1] * 99
