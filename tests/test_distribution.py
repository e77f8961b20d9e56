"""Where a node listens and how its commands find it, for every Erlang and kind of release."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pkgrel import release
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.errors import PlanError
from pkgrel.plan.distribution import distribution_variables, guarded_ports
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Kind, Release


@pytest.fixture
def hello(hello_release: Callable[[str], Path]) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        yield read


def layout(name: str) -> Layout:
    return Layout(
        name=name,
        user=name,
        group=name,
        root=PurePosixPath("/usr/lib", name),
        units=PurePosixPath("/usr/lib/systemd/system"),
        unit=f"{name}.service",
    )


def variables(hello: Release, **settings: object) -> dict[str, str]:
    return dict(
        distribution_variables(hello, DistributionSettings(**settings), layout("shop"))  # type: ignore[arg-type]
    )


def test_each_package_has_a_port_of_its_own_below_the_ephemeral_ones(hello: Release) -> None:
    ports = {guarded_ports(hello, DistributionSettings(), layout(f"app{n}"))[0] for n in range(500)}
    assert len(ports) > 450
    assert min(ports) >= 23_000
    assert max(ports) < 27_000
    assert "-start_epmd false" in variables(hello)["ERL_ZFLAGS"]
    assert "ERL_EPMD_ADDRESS" not in variables(hello)


@pytest.mark.parametrize(("erts", "otp"), [("10.4", "22"), ("11.0", "23")])
def test_older_erlang_has_an_epmd_of_its_own(hello: Release, erts: str, otp: str) -> None:
    old = replace(hello, erts=erts, otp=otp)
    found = variables(old)
    node, epmd = guarded_ports(old, DistributionSettings(), layout("shop"))
    assert found["ERL_EPMD_PORT"] == str(epmd)
    assert found["ERL_EPMD_ADDRESS"] == "127.0.0.1"
    assert f"inet_dist_listen_min {node} " in found["ERL_ZFLAGS"]
    assert "-erl_epmd_port" not in found["ERL_ZFLAGS"]
    with pytest.raises(PlanError, match="cannot do without epmd"):
        variables(old, epmd=False)


def test_relx_finds_its_node_by_an_epmd_of_its_own(hello: Release) -> None:
    relx = replace(hello, kind=Kind.RELX_EXTENDED)
    assert "ERL_EPMD_PORT" in variables(relx)
    assert "ERL_DIST_PORT" not in variables(relx)
    assert variables(relx, epmd=False, port=4370)["ERL_DIST_PORT"] == "4370"


def test_who_wants_the_epmd_of_the_host_gets_it(hello: Release) -> None:
    assert "-start_epmd" not in variables(hello, epmd=True)["ERL_ZFLAGS"]
    assert guarded_ports(hello, DistributionSettings(epmd=True), layout("shop")) == ()
    cluster = variables(hello, reach=Reach.CLUSTER)
    assert "-erl_epmd_port" in cluster["ERL_ZFLAGS"]
