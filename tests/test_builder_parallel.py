"""Parallel builds, and their cancellation when one fails."""

import threading

import pytest

from pkgrel.builder import parallel


def test_results_come_in_the_order_of_the_tasks() -> None:
    gate = threading.Event()

    def slow() -> str:
        assert gate.wait(10)
        return "slow"

    def quick() -> str:
        gate.set()
        return "quick"

    assert parallel.run([slow, quick], 2, lambda: None) == ("slow", "quick")


def test_no_more_than_the_jobs_run_at_once() -> None:
    running: list[int] = []
    most = []

    def task() -> None:
        running.append(1)
        most.append(len(running))
        running.pop()

    parallel.run([task] * 20, 1, lambda: None)
    assert max(most) == 1


def test_a_bug_in_one_stops_the_others_and_is_raised() -> None:
    stopped = threading.Event()
    begun = []

    def waits() -> None:
        begun.append("waits")
        assert stopped.wait(10)

    def breaks() -> None:
        raise ZeroDivisionError

    def never() -> None:
        begun.append("never")

    with pytest.raises(ZeroDivisionError):
        parallel.run([waits, breaks, *[never] * 3], 2, stopped.set)
    assert stopped.is_set()
    assert begun.count("waits") == 1


def test_nothing_to_do() -> None:
    assert parallel.run([], 0, lambda: None) == ()
