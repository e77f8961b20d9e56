"""Repeats what a fault of the connection or of the store stopped.

A network loses a request or an answer now and then; a job of a thousand requests must not fail for it.
Source: AWS SDKs' standard retry mode, which repeats the same kinds of faults with random waits.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from obstore.exceptions import BaseError

from pkgrel import console
from pkgrel.repository.store.problems import is_passing

ATTEMPTS = 8
_LONGEST_WAIT = 5.0
"""Seconds."""
_QUIET = 10.0
"""Seconds; who has waited that long is told why."""

_Result = TypeVar("_Result")


def again(url: str, what: Callable[[int], _Result]) -> _Result:
    """Do it until it succeeds, given how many attempts have failed; the last one's error is raised.

    Errors that another attempt would meet too are raised at once.
    """
    began = time.monotonic()
    for failed in range(ATTEMPTS - 1):
        try:
            return what(failed)
        except (BaseError, OSError) as e:
            if not is_passing(e):
                raise
        if time.monotonic() - began > _QUIET:
            console.warn(f"{url}: no usable answer yet; trying again")
        time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.2 * 2**failed)))
    return what(ATTEMPTS - 1)
