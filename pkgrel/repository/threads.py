"""Requests in threads, whom an interruption does not wait for: one cannot be given up, and may take minutes.

Nobody has told of an object yet that is written so, or it is whole whether it was written or not; the command line
ends the process at once when it finds such a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

NAME = "pkgrel-upload"
"""How the names of such threads begin."""

T = TypeVar("T")
R = TypeVar("R")


def at_once(do: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """What is done with each, several at a time, in order; the first error is raised."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix=NAME)
    waits = True
    try:
        return list(pool.map(do, items))
    except (KeyboardInterrupt, SystemExit):
        waits = False
        raise
    finally:
        pool.shutdown(wait=waits, cancel_futures=True)


def interruptible(do: Callable[[], R]) -> R:
    """The same of one thing, in the main thread, where signals come; elsewhere it is just done."""
    if threading.current_thread() is not threading.main_thread():
        return do()
    return at_once(lambda _: do(), [None], 1)[0]
