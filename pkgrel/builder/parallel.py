"""Runs tasks in a limited number of threads, which end with their caller."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

_SECONDS_TO_STOP = 10


def run(tasks: Sequence[Callable[[], T]], jobs: int, stop: Callable[[], None]) -> tuple[T, ...]:
    """The results in the order of the tasks; an exception of a task is raised here.

    `jobs` at a time; 0: by the number of processors. At the end, also after an exception, `stop` is called and
    no further task is started. A task that ignores `stop`, such as a download, does not keep the process alive.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, T] | BaseException] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)

    def work() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, tasks[number]()))
            except BaseException as e:
                done.put(e)

    wanted = jobs or max(1, (os.cpu_count() or 2) // 2)
    threads = [threading.Thread(target=work, daemon=True) for _ in tasks[:wanted]]
    results: dict[int, T] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(tasks):
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            results[result[0]] = result[1]
    finally:
        _empty(waiting)
        stop()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        for thread in threads:
            if thread.ident:
                thread.join(max(0, deadline - time.monotonic()))
    return tuple(results[number] for number in range(len(tasks)))


def _empty(waiting: queue.SimpleQueue[int]) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return
