"""Publishes through a network that spoils six requests of a hundred."""

from pathlib import Path

import pytest

from pkgrel.repository.store.opening import open_store
from pkgrel.repository.store.options import Options
from pkgrel.repository.verify import verify
from tests import faulty_proxy, s3_servers
from tests.packages import package
from tests.repositories import again, apt, make, put

PUBLISHES = 14


@pytest.mark.parametrize("kind", faulty_proxy.KINDS)
def test_every_publish_gets_through(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = s3_servers.store("moto", tmp_path)
    make(store)
    proxy = faulty_proxy.Proxy(s3_servers.endpoint("moto"), kind, 0.06, seed=1)
    options = Options(endpoint=proxy.url, region=s3_servers.REGION)
    versions = [f"1.0.{number}" for number in range(PUBLISHES)]
    for version in versions:
        put(again(open_store(store.url, options)), package(tmp_path, version=version))
    proxy.shutdown()
    proxy.server_close()
    assert proxy.spoilt
    assert apt(store) == {("hello", f"{version}-1~debian12") for version in versions}
    assert not verify(again(store), quick=True).problems
