"""Repeats what a fault of the connection or of the store stopped.

A network loses a request or an answer now and then; a job of a thousand requests must not fail for it.
Source: AWS SDKs' standard retry mode, which repeats the same kinds of faults with random waits.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TypeVar

from obstore.exceptions import BaseError

from pkgrel import console
from pkgrel.repository.store.problems import is_passing
from pkgrel.repository.threads import interruptible

ATTEMPTS = 8
_LONGEST_WAIT = 5.0
"""Seconds."""
_LONGEST_SILENCE = 15.0
"""Seconds between two looks whether somebody was told why he waits; with what lies between attempts, 30."""

_Result = TypeVar("_Result")


def again(url: str, what: Callable[[int], _Result], timeout: float) -> _Result:
    """Do it until it succeeds, given how many attempts have failed; the last one's error is raised.

    Errors that another attempt would meet too are raised at once. `timeout`, in seconds, is how long the first
    attempt may take; when it has failed, nobody waits for half a minute without a word.
    """
    pause = min(timeout, _LONGEST_SILENCE)
    began = time.monotonic()
    for failed in range(ATTEMPTS - 1):
        try:
            with _voice.heard(url, pause) if failed else nullcontext():
                return interruptible(partial(what, failed))
        except (BaseError, OSError) as e:
            if not is_passing(e):
                raise
        if time.monotonic() - began > pause / 2:
            _voice.say(url, pause / 2)
        time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.2 * 2**failed)))
    with _voice.heard(url, pause):
        return interruptible(partial(what, ATTEMPTS - 1))


class _Voice:
    """Says that there is no answer: once for all threads that wait for one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = -math.inf

    def say(self, url: str, pause: float) -> None:
        """Say it, if nobody has within so many seconds."""
        with self._lock:
            if time.monotonic() - self._last < pause:
                return
            self._last = time.monotonic()
        console.warn(f"{url}: no usable answer yet; trying again")

    @contextmanager
    def heard(self, url: str, pause: float) -> Iterator[None]:
        """Say it every so many seconds of what is done meanwhile."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(pause):
                self.say(url, pause / 2)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


_voice = _Voice()
