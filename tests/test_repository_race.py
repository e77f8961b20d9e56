"""Concurrent jobs on a directory and two S3 servers: nothing is lost, and clients see only complete states."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pkgrel.repository import head
from pkgrel.repository.channels import promote, prune
from pkgrel.repository.gc import collect
from pkgrel.repository.store import Store
from pkgrel.repository.verification import verify
from tests import repositories, s3_servers
from tests.packages import package
from tests.repositories import again, apt, by_name, dnf, make, put

_JOBS, _DEBS, _RPMS, _PUBLISHES = 8, 12, 3, 3

_JOB = """
import json, sys, time
from pathlib import Path
from pkgrel import signing
from pkgrel.repository import publishing, settings
from pkgrel.repository.state import Repository
from pkgrel.repository.store.opening import Options, open_store

url, endpoint, start, batches = json.load(sys.stdin)
store = open_store(url, Options(endpoint=endpoint, region="us-east-1" if endpoint else ""))
repository = Repository(store, settings.read(store), signing.signer(sys.argv[1]))
prepared = [publishing.read([Path(file) for file in batch], (), "stable") for batch in batches]
time.sleep(max(0, start - time.time()))
for items in prepared:
    publishing.publish(repository, items)
"""


@pytest.fixture(params=s3_servers.KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def store(kind, tmp_path, monkeypatch) -> Store:
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    return s3_servers.store(kind, tmp_path)


@pytest.fixture(scope="module")
def batches(tmp_path_factory) -> list[list[list[Path]]]:
    """For each job its publishes: four .deb and one .rpm at a time."""
    folder = tmp_path_factory.mktemp("packages")
    jobs = []
    for job in range(_JOBS):
        debs = [package(folder, f"deb{job}-{n}") for n in range(_DEBS)]
        rpms = [package(folder, f"rpm{job}-{n}", revision="1.el9") for n in range(_RPMS)]
        jobs.append([debs[n::_PUBLISHES] + rpms[n::_PUBLISHES] for n in range(_PUBLISHES)])
    return jobs


@contextmanager
def clients(store: Store, kind: str, *, grows: bool) -> Iterator[list[int]]:
    """Read what apt and dnf see for as long as the block lasts; fails if it is ever inconsistent."""
    done = threading.Event()
    reads: list[int] = []
    failures: list[BaseException] = []

    def look() -> None:
        mine = s3_servers.same(store, kind)
        seen: tuple[repositories.Packages, repositories.Packages] = (set(), set())
        try:
            while not done.is_set():
                now = (apt(mine, seen=seen[0]) or set(), dnf(mine) or set())
                if grows:
                    assert now[0] >= seen[0], "a package has vanished for apt"
                    assert now[1] >= seen[1], "a package has vanished for dnf"
                reads.append(len(now[0]))
                seen = now
        except BaseException as e:
            failures.append(e)

    client = threading.Thread(target=look)
    client.start()
    try:
        yield reads
    finally:
        done.set()
        client.join()
    if failures:
        raise failures[0]


def run_jobs(store: Store, kind: str, key: Path, batches: list[list[list[Path]]]) -> None:
    """A process for each job, all at once."""
    endpoint = s3_servers.options(kind).endpoint
    start = time.time() + 1
    jobs = []
    for job in batches:
        process = subprocess.Popen(
            [sys.executable, "-c", _JOB, str(key)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        files = [[str(file) for file in batch] for batch in job]
        process.stdin.write(json.dumps([store.url, endpoint, start, files]))
        process.stdin.close()
        process.stdin = None
        jobs.append(process)
    for process in jobs:
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint


@pytest.fixture
def key(tmp_path) -> Path:
    path = tmp_path / "key.asc"
    path.write_text(repositories.key())
    return path


def test_jobs_publish_at_once(store, kind, key, batches):
    """120 packages in 24 publishes of 8 processes; half of them where a server shares their two cores."""
    if kind != "local":
        batches = batches[: _JOBS // 2]
    repository = make(store)
    with clients(store, kind, grows=True) as reads:
        run_jobs(store, kind, key, batches)
    debs = {
        (f"deb{job}-{n}", "1.0.0-1~debian12") for job in range(len(batches)) for n in range(_DEBS)
    }
    rpms = {(f"rpm{job}-{n}", "1.0.0-1.el9") for job in range(len(batches)) for n in range(_RPMS)}
    assert len(debs | rpms) == (_DEBS + _RPMS) * len(batches)
    assert apt(store) == debs
    assert dnf(store) == rpms
    by_name(store)
    assert head.read(store).head.generation == len(batches) * _PUBLISHES
    assert len(set(reads)) > 1, "the client has seen it grow"
    assert verify(again(store), quick=True).problems == ()
    assert repository.settings.signed


def test_promote_and_prune_while_others_publish(store, kind, key, batches, tmp_path):
    """What is promoted comes, what is pruned goes, and what is published stays."""
    repository = make(store)
    old = [package(tmp_path, "tool", version=f"{n}.0") for n in range(6)]
    put(repository, *old, channel="testing")
    with clients(store, kind, grows=False):
        worker = threading.Thread(target=run_jobs, args=(store, kind, key, batches[:2]))
        worker.start()
        for n in range(6):
            promote(again(store), "tool", f"{n}.0", "testing", "stable")
        prune(again(store), 2)
        collect(again(store), age=0, generations=1)
        assert collect(again(store), age=0, generations=1).deleted == ()
        worker.join()
    expected = {(f"deb{job}-{n}", "1.0.0-1~debian12") for job in range(2) for n in range(_DEBS)}
    assert apt(store) == expected | {("tool", "5.0-1~debian12"), ("tool", "4.0-1~debian12")}
    assert dnf(store) == {(f"rpm{j}-{n}", "1.0.0-1.el9") for j in range(2) for n in range(_RPMS)}
    assert verify(again(store), quick=True).problems == ()
