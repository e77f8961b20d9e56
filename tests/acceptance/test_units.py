"""Units on their distros' systemd: verified, analysed for security, and started in each sandbox."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance import service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.artifacts import Artifacts
from tests.unit_options import some_settings

pytestmark = pytest.mark.acceptance

DISTROS = {"bullseye": "debian11", "bookworm": "debian12", "trixie": "debian13", "sid": "debian14"}
COMBINATIONS = 12
LEVELS = ("off", "baseline", "strict")

every_suite = pytest.mark.parametrize("suite", DISTROS)
# The oldest and the newest that a release of this machine runs on.
extremes = pytest.mark.parametrize("suite", ["bookworm", "sid"])
every_sandbox = pytest.mark.parametrize("suite", ["bookworm", "trixie", "sid"])


@pytest.fixture
def distro_id(suite: str) -> str:
    return DISTROS[suite]


@every_suite
def test_systemd_has_nothing_to_say(
    host: Host, artifacts: Artifacts, hello_release: Callable[[str], Path], distro_id: str
) -> None:
    choose = random.Random(distro_id).choice
    for number in range(COMBINATIONS):
        text = some_settings(choose)
        with artifacts.plan(hello_release("1.0.0"), distro_id, text) as plan:
            folder = f"/run/units-{number}"
            units = {
                str(item.path): item.content.data.decode()
                for item in plan.extra
                if "systemd/system/" in str(item.path)
            }
        _install(host, folder, units)
        names = " ".join(f"{folder}/{Path(path).name}" for path in units)
        assert host.run(f"systemd-analyze verify --man=no {names} 2>&1 || true") == "", text


def _install(host: Host, folder: str, units: dict[str, str]) -> None:
    """Write the units, and stand-ins for the programs that they run."""
    programs = {
        line.partition("=")[2].lstrip("-@:+!|").split()[0]
        for text in units.values()
        for line in text.splitlines()
        if line.startswith("Exec")
    }
    stand_ins = " && ".join(
        f"{{ test -x {program} || install -D /bin/true {program}; }}" for program in programs
    )
    host.run(f"mkdir {folder} && {stand_ins}")
    for path, text in units.items():
        host.write(f"{folder}/{Path(path).name}", text)


def exposure(host: Host, unit: str) -> float:
    """systemd's figure, from 0 for a tight sandbox to 10 for none."""
    output = host.run(f"systemd-analyze security --no-pager {unit}")
    [line] = [line for line in output.splitlines() if "Overall exposure level" in line]
    return float(line.partition(": ")[2].split()[0])


@every_sandbox
def test_every_level_serves_and_is_narrower_than_the_one_before(
    host: Host, package: Callable[..., str], suite: str
) -> None:
    figures = []
    for level in LEVELS:
        file = package("1.0.0", f'[service]\nhardening = "{level}"\n')
        host.run(f"apt-get install --yes --reinstall {file}")
        assert host.http() == "Hello from hello 1.0.0\n"
        assert host.run("hello rpc 'IO.puts(Node.self())'") == "hello@127.0.0.1\n"
        assert service.main_process(host) == ["hello", "beam.smp"]
        figures.append(exposure(host, "hello"))
    print(f"\n{suite}: {', '.join(f'{a} {b}' for a, b in zip(LEVELS, figures, strict=True))}")  # noqa: T201
    assert figures == sorted(figures, reverse=True)
    assert figures[1] <= 1.5


@extremes
def test_a_nif_works_in_the_sandbox(
    host: Host, artifacts: Artifacts, relx_release: Path, distro_id: str
) -> None:
    for level in ("baseline", "strict"):
        file = artifacts.build(relx_release, distro_id, f'[service]\nhardening = "{level}"\n')
        host.run(f"apt-get install --yes --reinstall {PACKAGES}/{file}")
        assert host.http("/hello") == "4f9f2cab\n"
        assert host.run("systemctl is-system-running") == "running\n"


FORKING = '[service]\ntype = "forking"\n'


@extremes
def test_a_forking_service_comes_back_and_stops_in_order(
    host: Host, package: Callable[..., str]
) -> None:
    host.run(f"apt-get install --yes {package('1.0.0', FORKING)}")
    assert host.http() == "Hello from hello 1.0.0\n"
    assert service.main_process(host) == ["hello", "run_erl"]
    assert host.read("/run/hello/hello.pid").strip() == service.value(host, "MainPID")

    host.run("pkill -KILL beam.smp")
    host.wait_until("test $(systemctl show --value --property=NRestarts hello) = 1")
    assert host.http() == "Hello from hello 1.0.0\n"

    host.run("systemctl stop hello")
    assert service.value(host, "Result") == "success"
    assert not host.succeeds("pgrep --uid hello")


def test_a_forking_relx_release(host: Host, artifacts: Artifacts, relx_release: Path) -> None:
    # erl_call, which the start script waits with, crashes where the host does not know its own name.
    host.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")
    file = artifacts.build(relx_release, "debian12", FORKING)
    host.run(f"apt-get install --yes {PACKAGES}/{file}")
    assert host.http("/hello") == "4f9f2cab\n"
    assert service.main_process(host, "relx-nif") == ["relx-nif", "run_erl"]
    host.run("systemctl stop relx-nif")
    assert service.value(host, "Result", "relx-nif") == "success"


PROXY = """
[[unit]]
name = "hello-proxy.socket"
content = '''
[Unit]
Description=Port 80 for {{ name }}
[Socket]
ListenStream=80
[Install]
WantedBy=sockets.target
'''

[[unit]]
name = "hello-proxy.service"
enable = false
content = '''
[Unit]
Description=Hands connections to {{ name }}
Requires={{ unit }} hello-proxy.socket
After={{ unit }} hello-proxy.socket
[Service]
ExecStart=/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:4000
User={{ user }}
PrivateTmp=yes
'''
"""


def test_a_socket_unit_and_a_second_service(host: Host, package: Callable[..., str]) -> None:
    host.run(f"apt-get install --yes {package('1.0.0', PROXY)}")
    assert host.http() == "Hello from hello 1.0.0\n"
    assert host.run("systemctl is-enabled hello-proxy.socket") == "enabled\n"
    assert host.http(port=80) == "Hello from hello 1.0.0\n"
    assert service.main_process(host, "hello-proxy") == ["hello", "systemd-socket-"]


CONFIGURATION = "[configuration]\nvm-args = true\nsys-config = true\nruntime = true\n"


def test_edited_configuration_takes_effect_and_survives_an_upgrade(
    host: Host, package: Callable[..., str]
) -> None:
    host.run(f"apt-get install --yes {package('1.0.0', CONFIGURATION)}")
    assert host.http() == "Hello from hello 1.0.0\n"
    files = host.run("stat --format='%a %U %G %n' /etc/hello/*")
    for name in ("vm.args", "sys.config", "runtime.exs"):
        assert f"640 root hello /etc/hello/{name}\n" in files

    host.run("echo 'config :hello, greeting: \"Moin\"' >>/etc/hello/runtime.exs")
    host.run("echo '+P 65536' >>/etc/hello/vm.args")
    host.run("sed -i 's/^\\[/[{hello,[{edited,true}]},/' /etc/hello/sys.config")
    for version in ("1.0.0", "1.1.0"):
        if version == "1.1.0":
            options = "-o Dpkg::Options::=--force-confold"
            host.run(f"apt-get install --yes {options} {package(version, CONFIGURATION)}")
        else:
            host.run("systemctl restart hello")
        assert host.http() == f"Moin from hello {version}\n"
        asked = "IO.inspect({:erlang.system_info(:process_limit), Application.get_env(:hello, :edited)})"
        assert host.run(f"hello rpc '{asked}'") == "{65536, true}\n"
        assert host.run(f"hello eval '{asked}'") == "{65536, true}\n"


def test_relx_fills_in_what_stands_in_etc(
    host: Host, artifacts: Artifacts, relx_release: Path
) -> None:
    text = "[configuration]\nvm-args = true\nsys-config = true\n"
    host.run(f"apt-get install --yes {PACKAGES}/{artifacts.build(relx_release, 'debian12', text)}")
    assert host.http("/hello") == "4f9f2cab\n"
    host.run("sed -i 's/:-4000/:-4002/' /etc/relx-nif/sys.config.src")
    host.run("echo '+P 65536' >>/etc/relx-nif/vm.args.src")
    host.run("systemctl restart relx-nif")
    assert host.http("/hello", port=4002) == "4f9f2cab\n"
    pid = service.value(host, "MainPID", "relx-nif")
    assert "65536" in host.run(f"tr '\\0' '\\n' </proc/{pid}/cmdline")


def test_distillery_fills_in_what_stands_in_etc(
    host: Host, artifacts: Artifacts, distillery_release: Path
) -> None:
    text = "[configuration]\nvm-args = true\nsys-config = true\n"
    file = artifacts.build(distillery_release, "debian12", text)
    host.run(f"apt-get install --yes {PACKAGES}/{file}")
    assert host.http() == " from hello 1.0.0\n"
    host.run("sed -i 's/{port,4000}/{port,4002}/' /etc/hello/sys.config")
    host.run("echo GREETING=Moin >>/etc/hello/environment")
    host.run("systemctl restart hello")
    assert host.http(port=4002) == "Moin from hello 1.0.0\n"
