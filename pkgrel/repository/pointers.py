"""Rolls what clients read in place forward to the head: anyone can, at any time.

A pointer's state is read before the head, and it is written only if it is still in that state. So a
slow job cannot put an old state over a newer one: when it reads the head after somebody has written
the pointer, it sees the head that this was made from.
"""

import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from pkgrel.distro import Format, unsupported
from pkgrel.errors import RepositoryError
from pkgrel.repository import head, layout, page, suite, yum_target
from pkgrel.repository.head import Target
from pkgrel.repository.rolling import Roll
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Stale, Store
from pkgrel.repository.trust import Trust
from pkgrel.repository.view import THREADS
from pkgrel.signing import Signer

_RECENT = 16
"""Targets that changed in so many generations are looked at by every publish; `sync` looks at all."""
_ATTEMPTS = 200


def roll(
    store: Store,
    settings: Settings,
    trust: Trust,
    signer: Signer | None,
    *,
    known: Mapping[str, bytes] | None = None,
    thorough: bool = False,
    dry_run: bool = False,
) -> tuple[str, ...]:
    """Roll all pointers forward; returns the keys that were written, or would be."""
    rolling = Roll(store, settings, trust, signer, known or {}, thorough, dry_run)
    done: dict[str, int] = {}
    for attempt in range(_ATTEMPTS):
        current = head.read(store, trust).head
        left = {
            name: target
            for name, target in current.targets.items()
            if done.get(name, -1) < target.generation
            and (thorough or target.generation > current.generation - _RECENT)
        }
        if not left:
            page.advance(rolling)
            return tuple(rolling.written)
        with ThreadPoolExecutor(THREADS) as pool:
            results = pool.map(lambda item: _advance(rolling, *item), left.items())
            for (name, target), complete in zip(left.items(), results, strict=True):
                if complete:
                    done[name] = target.generation
        if any(done.get(name) != target.generation for name, target in left.items()):
            time.sleep(random.uniform(0, min(1.0, 0.02 * 2 ** min(attempt, 6))))
    raise RepositoryError(
        f"{store.url}: others changed the indices {_ATTEMPTS} times meanwhile; yours are published",
        hint="run `pkgrel repo sync` when they are done",
    )


def _advance(rolling: Roll, name: str, target: Target) -> bool:
    """Bring one target to the head's state; False if the head or a pointer moved meanwhile."""
    advance: Callable[[Roll, str, Target, Callable[[], bool]], None]
    match layout.format_of(name):
        case Format.DEB:
            advance = suite.advance
        case Format.RPM:
            advance = yum_target.advance
        case other:
            raise unsupported(other)

    def still() -> bool:
        return head.read(rolling.store, rolling.trust).head.targets.get(name) == target

    try:
        advance(rolling, name, target, still)
    except Stale:
        if any(key.startswith(f"{name}/") for key in rolling.written):
            rolling.suspects.add(name)
        return False
    return True
