"""A job that is killed or overtaken before any of its requests leaves a repository that works.

The store dies before the k-th request that changes something, for every k, and nothing of that process happens
afterwards: what it only reads would leave what the request before has left. Or another job publishes just before the
k-th request of any kind, from beginning to end.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pkgrel.errors import RepositoryError
from pkgrel.repository import head
from pkgrel.repository.channels import promote, prune, remove
from pkgrel.repository.gc import collect
from pkgrel.repository.state import Repository
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import open_store
from pkgrel.repository.store.sftp import _EXTENDED, _REMOVE, _RENAME, Connection, Lost
from pkgrel.repository.verification import sync, verify
from tests import s3_servers
from tests.apt_client import update
from tests.repositories import again, apt, by_name, dnf, make, pair, put

_MOST = 200
_CHANGES = frozenset({"create", "replace", "overwrite", "delete"})
_REQUESTS = _CHANGES | {"get", "stat", "digest", "read_digest", "list"}


class Killed(BaseException):
    """The process is no more."""


class Counting(Local):
    """A directory in which something happens before a request, and before all that follow."""

    def __init__(
        self,
        root: Path,
        requests: int,
        then: Callable[[], None],
        counted: frozenset[str] = _REQUESTS,
    ) -> None:
        super().__init__(root)
        self._counted = counted - {"delete"}
        self._left = requests
        self._then = then
        self._counting = threading.Lock()

    def _count(self) -> None:
        with self._counting:
            self._left -= 1
            if self._left < 0:
                self._then()

    def __getattribute__(self, name: str):
        found = super().__getattribute__(name)
        if name.startswith("_") or name not in self._counted:
            return found

        def counted(*words, **options):
            self._count()
            return found(*words, **options)

        return counted

    def delete(self, keys) -> None:
        """Each object is a request."""
        for key in keys:
            self._count()
            super().delete([key])


def die() -> None:
    raise Killed


def dying(root: Path, requests: int) -> Counting:
    """A directory that can be changed a number of times."""
    return Counting(root, requests, die, _CHANGES)


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    """A directory in memory, if there is one: a disk would wait for each of many flushes."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


@pytest.fixture
def base(folder) -> Path:
    """A repository with a history: two versions in testing, the first in stable."""
    root = folder / "base"
    repository = make(Local(root))
    for version in ("1.0.0", "1.1.0"):
        put(repository, *pair(folder, version), channel="testing")
    promote(repository, "hello", "1.0.0", "testing", "stable")
    return root


def killed_everywhere(
    base: Path, work: Callable[[Repository], object], check: Callable[[Local], None]
) -> int:
    """Kill `work` before each of its changes; returns how many it has."""
    for requests in range(_MOST):
        root = base.with_name(f"killed-{requests}")
        shutil.copytree(base, root)
        store = Local(root)
        survived = False
        try:
            work(again(dying(root, requests)))
            survived = True
        except Killed:
            pass
        check(store)
        sync(again(store))
        by_name(store)
        check(store)
        found = verify(again(store))
        assert found.problems == ()
        work(again(store))
        check(store)
        if survived or requests % 12 == 0:
            assert verify(again(store)).problems == ()
            update(root, base.parent)
        if survived:
            return requests
        shutil.rmtree(root)
    raise AssertionError("it never ends")


def versions(*wanted: str) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """What apt and dnf show then."""
    return (
        {("hello", f"{version}-1~debian12") for version in wanted},
        {("hello", f"{version}-1.el9") for version in wanted},
    )


def seen(store: Local, channel: str, *states: tuple[str, ...]) -> None:
    """Assert that a channel is in one of these states for apt, and for dnf."""
    debs, rpms = zip(*(versions(*state) for state in states), strict=True)
    assert apt(store, channel=channel) in debs
    assert dnf(store, f"rpm/el9/x86_64/{channel}") in rpms


def test_publish(base, folder):
    files = pair(folder, "2.0.0")

    def work(repository: Repository) -> None:
        put(repository, *files)

    def check(store: Local) -> None:
        seen(store, "stable", ("1.0.0",), ("1.0.0", "2.0.0"))
        seen(store, "testing", ("1.0.0", "1.1.0"))

    assert killed_everywhere(base, work, check) > 20
    (survivor,) = base.parent.glob("killed-*")
    seen(Local(survivor), "stable", ("1.0.0", "2.0.0"))


def test_the_first_publish(folder):
    base = folder / "base"
    make(Local(base))
    files = pair(folder, "2.0.0")

    def check(store: Local) -> None:
        assert apt(store) in (None, *versions("2.0.0"))
        assert dnf(store) in (None, *versions("2.0.0"))

    def work(repository: Repository) -> None:
        put(repository, *files)
        assert apt(repository.store), "published means visible"

    for requests in range(_MOST):
        root = base.with_name(f"killed-{requests}")
        shutil.copytree(base, root)
        try:
            put(again(dying(root, requests)), *files)
        except Killed:
            check(Local(root))
            work(again(Local(root)))
            assert verify(again(Local(root))).problems == ()
        else:
            break
    assert requests > 20


def test_publish_over_ssh(base, folder, monkeypatch):
    """Killed before some of the requests that change something on the host, such as between a claim and its use."""
    files, changes = pair(folder, "2.0.0"), {_RENAME, _EXTENDED, _REMOVE}
    send, begin, left = Connection._send, Connection.__init__, [0]
    open_ones: list[Connection] = []

    def began(self, *words):
        begin(self, *words)
        open_ones.append(self)

    def counted(self, type, about):
        left[0] -= type in changes
        if left[0] < 0:
            self.close()  # nothing of the process happens afterwards
            raise Killed
        return send(self, type, about)

    monkeypatch.setattr(Connection, "__init__", began)
    monkeypatch.setattr(Connection, "_send", counted)
    for requests in (*range(3, _MOST, 17), _MOST * 9):
        root = base.with_name(f"ssh-{requests}")
        shutil.copytree(base, root)
        store = open_store(s3_servers.ssh_url(root))
        left[0] = requests
        survived = False
        # Another thread may notice first that the connection is gone.
        with contextlib.suppress(Killed, Lost):
            put(again(store), *files)
            survived = True
        seen(Local(root), "stable", ("1.0.0",), ("1.0.0", "2.0.0"))
        left[0] = _MOST * 9
        put(again(store), *files)
        store.close()
        seen(Local(root), "stable", ("1.0.0", "2.0.0"))
        assert verify(again(Local(root))).problems == ()
        shutil.rmtree(root)
        if survived:
            break
    assert survived
    assert requests > 40
    for each in open_ones:
        each.close()


def test_overtaken(base, folder):
    """Another job publishes just before the k-th request: both are there, and no pointer is old."""
    mine, theirs = pair(folder, "2.0.0"), pair(folder, "3.0.0")
    for requests in range(_MOST):
        root = base.with_name(f"overtaken-{requests}")
        shutil.copytree(base, root)
        others = iter([lambda root=root: put(again(Local(root)), *theirs)])

        def once(others=others) -> None:
            for other in others:
                other()

        put(again(Counting(root, requests, once)), *mine)
        if next(others, None):
            break  # there are no more requests
        store = Local(root)
        seen(store, "stable", ("1.0.0", "2.0.0", "3.0.0"))
        by_name(store)
        assert verify(again(store)).problems == ()
        shutil.rmtree(root)
    assert requests > 30


def test_overtaken_by_its_undoing(base, folder):
    """Another job takes the package out again while its pointers are being written.

    The indices are then what they were before, so that the other job finds most of them right.
    """
    files = pair(folder, "2.0.0")

    def undo(root: Path) -> None:
        with contextlib.suppress(RepositoryError):  # not published yet
            remove(again(Local(root)), "hello", "2.0.0", "stable")

    for requests in range(_MOST):
        root = base.with_name(f"undone-{requests}")
        shutil.copytree(base, root)
        others = iter([lambda root=root: undo(root)])

        def once(others=others) -> None:
            for other in others:
                other()

        put(again(Counting(root, requests, once, _CHANGES)), *files)
        if next(others, None):
            break  # there are no more changes
        seen(Local(root), "stable", ("1.0.0",), ("1.0.0", "2.0.0"))
        by_name(Local(root))
        assert verify(again(Local(root))).problems == ()
        shutil.rmtree(root)
    assert requests > 20


class Silent(Local):
    """A directory whose answer to one write is lost: the write has happened."""

    def __init__(self, root: Path, write: int) -> None:
        super().__init__(root)
        self._left = write
        self._counting = threading.Lock()

    def _answer(self) -> None:
        with self._counting:
            self._left -= 1
            if self._left == -1:
                raise RepositoryError("the store cannot be reached")

    def create(self, *words, **options) -> bool:
        made = super().create(*words, **options)
        self._answer()
        return made

    def replace(self, *words) -> None:
        super().replace(*words)
        self._answer()


def test_lost_answers(base, folder):
    """A request times out, and nobody knows whether the store has heard it."""
    files = pair(folder, "2.0.0")
    failures = 0
    for write in range(_MOST):
        root = base.with_name(f"silent-{write}")
        shutil.copytree(base, root)
        store = Silent(root, write)
        try:
            put(again(store), *files)
        except RepositoryError:
            failures += 1
        if store._left >= 0:
            break  # there are no more writes
        put(again(Local(root)), *files)
        seen(Local(root), "stable", ("1.0.0", "2.0.0"))
        by_name(Local(root))
        assert verify(again(Local(root))).problems == ()
        assert head.read(store).head.generation == 4, "published once"
        shutil.rmtree(root)
    assert write > 15
    assert failures == write - 1, "only the head's own write is known to have happened"


def test_promote(base):
    def work(repository: Repository) -> None:
        promote(repository, "hello", "1.1.0", "testing", "stable")

    def check(store: Local) -> None:
        seen(store, "stable", ("1.0.0",), ("1.0.0", "1.1.0"))

    assert killed_everywhere(base, work, check) > 20


def test_prune(base):
    def work(repository: Repository) -> None:
        prune(repository, 1, "testing")

    def check(store: Local) -> None:
        seen(store, "testing", ("1.0.0", "1.1.0"), ("1.1.0",))
        seen(store, "stable", ("1.0.0",))

    assert killed_everywhere(base, work, check) > 20


def test_gc(base):
    prune(again(Local(base)), 1, "testing")
    before = {p for p in base.rglob("*") if p.is_file()}

    def work(repository: Repository) -> None:
        collect(repository, grace=0, age=0, generations=1)
        time.sleep(0.01)  # what was noted must be older than the second run
        collect(repository, grace=0, age=0, generations=1)

    def check(store: Local) -> None:
        seen(store, "testing", ("1.1.0",))
        seen(store, "stable", ("1.0.0",))

    assert killed_everywhere(base, work, check) > 20
    (survivor,) = base.parent.glob("killed-*")
    left = {base / p.relative_to(survivor) for p in survivor.rglob("*") if p.is_file()}
    assert before - left, "something was collected"
    assert verify(again(Local(survivor))).orphans == ()
