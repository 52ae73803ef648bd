"""Time budgets by a clock that the tests turn."""

from __future__ import annotations

import pickle

import pytest

from scmamba._errors import ScmambaError
from scmamba.train.budget import Cut, Pace, TimeBudget


class Clock:
    """Seconds that pass only when they are added."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_without_a_limit_everything_fits() -> None:
    budget = TimeBudget()
    assert not budget.limited and budget.allows(1e9)
    assert budget.part(0.1).max_minutes is None and budget.for_each(7, 2) is None
    assert budget.about == {}


def test_parts_are_parts_of_what_is_left() -> None:
    clock = Clock()
    budget = TimeBudget(2, clock=clock)
    clock.now += 40
    assert (budget.seconds_used, budget.seconds_left) == (40, 80)
    part = budget.part(0.5)
    assert part.seconds_left == pytest.approx(40)
    assert budget.part(0.5, reserve=20).seconds_left == pytest.approx(30)
    assert budget.part(1.0, reserve=90).max_minutes > 0
    part.cut("epochs", 2.51, 8, "network 1 of 3")
    budget.extend([Cut("folds", 1, 3)])
    clock.now += 60
    assert part.seconds_left == 0 and not part.allows(0.1) and budget.allows(19)
    assert budget.about == {
        "max_minutes": 2.0,
        "minutes": pytest.approx(100 / 60, abs=1e-3),
        "cut": "2.51 of 8 epochs (network 1 of 3); 1 of 3 folds",
    }
    clock.now += 60
    assert budget.seconds_left == 0
    assert budget.part(0.5).max_minutes > 0  # over, but a budget that can be started


def test_jobs_side_by_side_share_the_time_by_rounds() -> None:
    budget = TimeBudget(6, clock=Clock())
    assert budget.for_each(3) == pytest.approx(2)
    assert budget.for_each(3, n_workers=2) == pytest.approx(3)
    assert budget.for_each(2, n_workers=8) == pytest.approx(6)


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(wrong) -> None:
    with pytest.raises(ScmambaError, match="max_minutes=.* above 0"):
        TimeBudget(wrong)


def test_a_budget_goes_to_another_process() -> None:
    budget = TimeBudget(5)
    other = pickle.loads(pickle.dumps(budget))
    assert other._start == budget._start and other.seconds_left <= 300


def steps_taken(seconds: list[float], planned: int, minutes: float | None, **more: float):
    """Take steps of some seconds each; the steps taken and the progress before each."""
    clock = Clock()
    pace = Pace(planned, TimeBudget(minutes, clock=clock))
    pace.reserve = more.get("reserve", 0.0)
    progress, step = [], 0
    while not pace.over(step):
        progress.append(pace.progress(step))
        clock.now += seconds[min(step, len(seconds) - 1)]
        step += 1
        pace.update(step)
    return step, progress, clock.now - 1000


def test_enough_time_changes_nothing() -> None:
    for minutes in (None, 10):
        step, progress, _ = steps_taken([20.0, 1.0], 50, minutes)
        assert step == 50
        assert progress == [i / 50 for i in range(50)]


def test_short_time_ends_training_with_progress_at_its_end() -> None:
    step, progress, used = steps_taken([20.0, 1.0], 1000, 2)
    assert used == pytest.approx(120, abs=1) and step == pytest.approx(101, abs=1)
    assert progress == sorted(progress)
    assert progress[50] == pytest.approx(0.5, abs=0.02)
    assert progress[-1] > 0.97


def test_time_of_validation_is_kept() -> None:
    _, _, used = steps_taken([1.0], 1000, 2, reserve=30.0)
    assert used == pytest.approx(90, abs=1)


def test_steps_that_become_slower_shorten_the_rest() -> None:
    step, progress, used = steps_taken([0.1] * 300 + [1.0], 1000, 2)
    assert used == pytest.approx(120, abs=1.5) and step < 400
    assert progress[-1] > 0.97


def test_at_least_one_step_is_taken() -> None:
    step, _, _ = steps_taken([1000.0], 10, 0.01)
    assert step == 1
