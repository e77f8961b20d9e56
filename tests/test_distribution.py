"""Where a node listens and how its commands find it, for every Erlang and kind of release."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pkgrel import release
from pkgrel.config.runtime import DistributionSettings, Reach
from pkgrel.errors import PlanError
from pkgrel.plan.distribution import client_flags, distribution_variables, guarded_ports
from pkgrel.plan.inputs import Layout
from pkgrel.release.model import Kind, Release
from tests import releases
from tests.conftest import skip_unless
from tests.tools import PATIENCE


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


OWN = "releases/1.0.0"
LINE = "\n-start_epmd false -erl_epmd_port 6789\n"


@pytest.fixture
def stating(hello_release: Callable[[str], Path], tmp_path: Path) -> Callable[..., str]:
    """ERL_ZFLAGS of a release with these files."""

    def flags(files: dict[str, str], **settings: object) -> str:
        made = releases.changed(hello_release("1.0.0"), tmp_path / "made.tar.gz", files)
        with release.read(made) as read:
            return variables(read, **settings)["ERL_ZFLAGS"]

    return flags


def test_a_port_in_vm_args_is_the_packages(stating: Callable[..., str]) -> None:
    """With two the VM takes none, and asks an epmd that may be anybody's."""
    both = {f"{OWN}/vm.args": LINE, f"{OWN}/remote.vm.args": LINE}
    for settings in ({}, {"port": 6789}):
        flags = stating(both, **settings)
        assert "inet_dist_listen_min 6789 " in flags
        assert "-erl_epmd_port" not in flags
    assert "-erl_epmd_port 2" in stating({f"{OWN}/vm.args": "\n## -erl_epmd_port 6789\n"})
    with pytest.raises(PlanError, match=r"`distribution.port` is 7000, but vm.args has .* 6789"):
        stating(both, port=7000)
    for one in both:
        with pytest.raises(PlanError, match=rf"`{one}` has `-erl_epmd_port`"):
            stating({one: LINE})


def test_a_command_of_erlang_22_leaves_its_port_to_the_node(hello: Release, tmp_path: Path) -> None:
    """Which knows no `-dist_listen`: this Erlang does as that one when it is not told."""
    skip_unless(shutil.which("erl"), "no Erlang on this machine")
    old = replace(hello, erts="10.4", otp="22")
    shared = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | variables(old)
    before, after = client_flags(old)
    flags = f"{before}{shared['ERL_ZFLAGS']} {after}"
    asks = "io:format(\"~p~n\", [rpc:call('shop@127.0.0.1', erlang, node, [])]), init:stop()."
    erl = ["erl", "-noinput", "-hidden", "-setcookie", "secret", "-name"]
    with subprocess.Popen(
        [*erl, "shop@127.0.0.1", "-eval", 'io:format("up~n").'], env=shared, stdout=subprocess.PIPE
    ) as node:
        try:
            assert node.stdout
            assert node.stdout.readline() == b"up\n"
            command = subprocess.run(
                [*erl, "rpc@127.0.0.1", "-eval", asks],
                env=shared | {"ERL_ZFLAGS": flags},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert command.stdout == "'shop@127.0.0.1'\n"
        finally:
            node.kill()
            node.wait()
            subprocess.run(["epmd", "-kill"], env=shared, capture_output=True, check=False)
