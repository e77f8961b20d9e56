"""Whether a store keeps the conditions of conditional writes: some accept and ignore them."""

import uuid

from pkgrel.repository import layout
from pkgrel.repository.store import Kind, Stale, Store


def conditions_hold(store: Store) -> bool:
    """Write to a new key: twice as a new one, and once over a state that it is no longer in."""
    key = f"{layout.PROBES}{uuid.uuid4().hex}"
    try:
        if not store.create(key, b"1", Kind.POINTER) or store.create(key, b"2", Kind.POINTER):
            return False
        first = store.get(key)
        if first is None or first.data != b"1":
            return False
        store.replace(key, b"3", Kind.POINTER, first.token)
        try:
            store.replace(key, b"4", Kind.POINTER, first.token)
        except Stale:
            last = store.get(key)
            return last is not None and last.data == b"3"
        return False
    finally:
        store.delete([key])
