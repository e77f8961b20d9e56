"""Units: the right words for each systemd, and none that systemd complains about."""

import csv
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import distros, find, select
from pkgrel.errors import PkgrelError
from pkgrel.package import File, Package
from pkgrel.release.model import Release
from tests.conftest import skip_unless
from tests.unit_options import some_settings

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
ALL_OPTIONS = Path(__file__).with_name("all_options.toml")
TABLE = Path(plan.__file__).parents[1] / "distro" / "directives.csv"

GENERATIONS = {
    "el7": 219,
    "ubuntu18": 237,
    "el8": 239,
    "debian11": 247,
    "debian12": 252,
    "debian13": 257,
    "el10": 257,
    "ubuntu26": 259,
    "fedora44": 259,
}


@pytest.fixture(scope="module")
def hello(hello_release: Callable[[str], Path]) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        yield read


@pytest.fixture(scope="module")
def make(hello: Release, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Package]:
    """Plan a package of the hello release."""
    file = tmp_path_factory.mktemp("config") / "pkgrel.toml"

    def _make(distro: str, text: str = "", *, whole: bool = False) -> Package:
        file.write_text(text if whole else MINIMAL + text)
        [package] = plan.packages(hello, load(file), select([distro]), plan.Options())
        return package

    return _make


def units(package: Package) -> dict[str, str]:
    """The text of every unit by its path."""
    return {
        str(item.path): item.content.data.decode()
        for item in package.extra
        if isinstance(item, File)
        and isinstance(item.content, Inline)
        and "systemd/system/" in str(item.path)
    }


def service(package: Package) -> str:
    [text] = [text for path, text in units(package).items() if path.endswith("/hello.service")]
    return text


def values(package: Package, directive: str) -> list[str]:
    start = f"{directive}="
    lines = service(package).splitlines()
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


@pytest.mark.parametrize("distro", GENERATIONS)
def test_generations(make, distro: str, golden: Callable[[str, str], None]) -> None:
    assert find(distro).systemd == GENERATIONS[distro]
    golden(f"unit/{distro}.service", service(make(distro)))
    package = make(distro, ALL_OPTIONS.read_text(), whole=True)
    golden(f"unit/all/{distro}.service", service(package))


MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


SEEDS = st.integers(0, 2**32)
"""Each stands for a combination; hypothesis reports the one that fails."""


@MANY
@given(seed=SEEDS)
def test_systemd_has_nothing_to_say_about_any_combination(seed: int, make, tmp_path: Path) -> None:
    skip_unless(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    text = some_settings(random.Random(seed).choice)
    assert complaints(make("debian12", text), tmp_path) == "", text


def complaints(package: Package, root: Path) -> str:
    """What `systemd-analyze verify` says of the units in a root that has the programs they run."""
    system = root / "usr/lib/systemd/system"
    if not system.is_dir():
        system.mkdir(parents=True)
        for target in Path("/usr/lib/systemd/system").glob("*.target"):
            shutil.copy(target, system, follow_symlinks=False)
    texts = units(package)
    for path, text in texts.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)
        for line in text.splitlines():
            if line.startswith("Exec"):
                program = line.partition("=")[2].lstrip("-@:+!|").split()[0]
                target = root / program.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch(mode=0o755)
    names = [Path(path).name for path in texts if not path.endswith(".conf")]
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", *names], capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_systemd_would_complain_about_a_directive_of_tomorrow(make, tmp_path: Path) -> None:
    """The check above notices."""
    skip_unless(shutil.which("systemd-analyze"), "systemd-analyze is missing")
    package = make("debian14", "[service]\nrestart-steps = 3\nrestart-max-delay-sec = 9\n")
    assert "RestartSteps" in complaints(package, tmp_path)


@cache
def table() -> dict[tuple[str, str], dict[str, str]]:
    with TABLE.open(newline="") as lines:
        return {(row["section"], row["directive"]): row for row in csv.DictReader(lines)}


REFUSED_WHERE_OLD = {"low-ports = true": "", "tls-key = ": "tls-key = '' #", '"+/': '"-/'}


@settings(MANY, max_examples=3)
@given(seed=SEEDS)
@pytest.mark.parametrize("name", distros())
def test_every_directive_is_known_to_its_target(seed: int, name: str, make) -> None:
    text = some_settings(random.Random(seed).choice)
    # What is refused where it is not known.
    for wanted, plain in REFUSED_WHERE_OLD.items():
        text = text.replace(wanted, plain)
    package = make(name, text)
    distro = find(name)
    for unit in units(package).values():
        section = ""
        for line in unit.splitlines():
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                section = line.strip("[]")
                continue
            row = table()[section, line.partition("=")[0]]
            if name in row:
                assert row[name] == "y", line
            else:
                assert int(row["since"]) <= distro.systemd, line
                assert distro.systemd < int(row["disabled"] or "999"), line


@pytest.mark.parametrize(
    ("distro", "expected"),
    [
        ("el7", {"MemoryLimit": ["2G"], "CPUShares": ["2048"], "BlockIOWeight": ["250"]}),
        ("ubuntu18", {"MemoryMax": ["2G"], "CPUWeight": ["200"], "IOWeight": ["50"]}),
    ],
)
def test_older_spellings_on_their_own_scale(make, distro: str, expected) -> None:
    text = '[service.limits]\nmemory-max = "2G"\ncpu-weight = 200\nio-weight = 50\n'
    package = make(distro, text)
    assert {name: values(package, name) for name in expected} == expected


def test_what_the_target_does_not_know_leaves_ours_in_place(make) -> None:
    text = '[service.sandbox]\nPrivateTmp = "disconnected"\nProtectHome = "tmpfs"\n'
    assert values(make("debian13", text), "PrivateTmp") == ["disconnected"]
    assert values(make("debian12", text), "PrivateTmp") == ["yes"]
    assert values(make("el7", text), "ProtectHome") == ["yes"]
    assert values(make("debian12", '[service.sandbox]\nPrivateTmp = ""\n'), "PrivateTmp") == []


def test_system_calls_are_filtered_where_groups_are_older_than_system_service(make) -> None:
    [filtered, but] = values(make("ubuntu18"), "SystemCallFilter")
    assert filtered.startswith("~@clock ")
    assert "fchownat" in but
    assert values(make("el7"), "SystemCallFilter") == []
    assert values(make("el8"), "SystemCallFilter") == [
        "@system-service",
        "~@privileged",
        "chown chown32 fchown fchown32 fchownat lchown lchown32",
    ]


def test_a_service_without_state_lives_in_its_runtime_directory(make) -> None:
    package = make("debian12", "[service.directories]\nstate = false\n")
    assert values(package, "WorkingDirectory") == ["/run/hello"]
    assert "HOME=/run/hello" in values(package, "Environment")
    assert values(package, "StateDirectory") == []
    package = make("debian12", "[service.directories]\nruntime = false\n")
    assert "RELEASE_TMP=/var/lib/hello" in values(package, "Environment")


def test_a_service_may_touch_its_own_flag(make) -> None:
    package = make("debian12", '[service]\nrestart-method = "flag"\n')
    assert values(package, "ReadWritePaths") == ["-/run/hello-restart"]
    deployed = make("debian12", '[service]\nrestart-method = "flag"\ndeploy-user = "deploy"\n')
    assert values(deployed, "ReadWritePaths") == []


def test_a_migration_at_the_start_has_its_time_and_is_not_tried_again(make) -> None:
    text = '[migrations]\nfunction = "Hello.Release.migrate"\n'
    started = make("debian12", f'{text}when = "start"\n')
    assert values(started, "TimeoutStartSec") == ["3600"]
    assert values(started, "ExecStopPost") == ["+/usr/libexec/hello/stop-trying"]
    # By default the old version serves meanwhile.
    for installed in (make("debian12", text), make("debian12", f'{text}when = "manual"\n')):
        assert values(installed, "TimeoutStartSec") == []
        assert "migrate" not in "".join(values(installed, "ExecStartPre"))
    assert "    migrate " in make("debian12", text).scripts.after_install.replace("|| ", "    ")
    own = make("debian12", f'{text}when = "start"\n[service]\ntimeout-start-sec = 30\n')
    assert values(own, "TimeoutStartSec") == ["30"]


def test_units_of_the_user_know_the_version(make) -> None:
    text = """
    [[unit]]
    name = "{name}.timer"
    content = '''
    [Timer]
    OnCalendar=daily
    {{% if systemd >= 247 %}}
    FixedRandomDelay=yes
    {{% endif %}}
    '''
    """
    new = units(make("debian12", text.format(name="hello-new")))
    old = units(make("el8", text.format(name="hello-old")))
    assert "FixedRandomDelay" in new["/usr/lib/systemd/system/hello-new.timer"]
    assert "FixedRandomDelay" not in old["/usr/lib/systemd/system/hello-old.timer"]


REFUSED = [
    (
        "debian12",
        '[service.sandbox]\nProtectHom = "yes"',
        "`service.sandbox.ProtectHom` is not a directive of [Service]",
        "did you mean `ProtectHome`?",
    ),
    (
        "el8",
        '[service.credentials]\nkey = "/etc/key"',
        "`service.credentials` needs `LoadCredential`, which systemd 239 of",
        "change it in [distro.el8.service]",
    ),
    (
        "amzn2",
        "[service]\nlow-ports = true",
        "`service.low-ports` needs `AmbientCapabilities`",
        "change it in [distro.amzn2.service]",
    ),
    (
        "el7",
        '[service]\nexec-start-pre = ["+/bin/true"]',
        "does not know the prefix `+` of `+/bin/true`",
        "give another command in [distro.el7.service]",
    ),
    (
        "ubuntu26",
        '[service]\nexec-start-pre = ["!!/bin/true"]',
        "does not know the prefix `!!` of",
        "give another command in [distro.ubuntu26.service]",
    ),
    (
        "debian12",
        '[service]\nexec-start-pre = ["-touch /run/x"]',
        "`service.exec-start-pre[0]` must be a command with an absolute path",
        "such as `/usr/bin/env true`",
    ),
    (
        "debian12",
        '[service]\nworking-directory = "{{ stat }}"',
        "`service.working-directory`: 'stat' is undefined",
        "known here: cache, etc,",
    ),
    (
        "debian12",
        "[service.directories]\nstate = false\nruntime = false",
        "without state and runtime there is nowhere to write",
        "keep one of them",
    ),
    (
        "debian12",
        '[service]\ntype = "forking"\n[service.directories]\nruntime = false',
        "has its PID file in the runtime directory",
        "leave `runtime` of [service.directories] on",
    ),
    (
        "debian12",
        "[service.limits]\nnice = 20",
        "`service.limits.nice` must be -20 to 19, not `20`",
        None,
    ),
    (
        "debian12",
        '[service.limits]\nmemory-max = "lots"',
        "`service.limits.memory-max` must be a size in bytes",
        "such as `2G`",
    ),
    (
        "debian12",
        '[service.limits]\ntasks = "4k"',
        "`service.limits.tasks` must be a number",
        "such as `4096`",
    ),
    (
        "debian12",
        '[service.limits]\ncore = "-1"',
        "`service.limits.core` must be a size",
        "such as `512M`",
    ),
    (
        "debian12",
        "[service]\ntimeout-stop-sec = -5",
        "`service.timeout-stop-sec` must be 0 to 2147483647",
        None,
    ),
    (
        "debian12",
        "[service.limits]\nnofile = -1",
        "`service.limits.nofile` must be 0 to 2147483647",
        None,
    ),
    (
        "debian12",
        '[service.ready]\nhttp = "localhost:4000"',
        "`service.ready.http` must be a URL",
        "such as `http://127.0.0.1",
    ),
    (
        "el8",
        '[[unit]]\nname = "a.timer"\ncontent = "[Timer]\\nOnCalendar=daily\\nFixedRandomDelay=yes\\n"',
        "`unit[0]`: systemd 239 of Enterprise Linux 8 does not know `FixedRandomDelay`",
        "write `{% if systemd >= VERSION %}` and `{% endif %}` around it",
    ),
]


@pytest.mark.parametrize(("distro", "text", "message", "hint"), REFUSED)
def test_what_would_not_work_is_refused(
    make, distro: str, text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(PkgrelError) as refused:
        make(distro, text)
    assert message in str(refused.value)
    assert (refused.value.hint or "").startswith(hint or "")


def test_a_forking_service_gets_its_pid_file(make, tmp_path: Path) -> None:
    package = make("debian12", '[service]\ntype = "forking"\n')
    assert values(package, "PIDFile") == ["/run/hello/hello.pid"]
    assert values(package, "ExecStart") == [
        "/usr/libexec/hello/hide-cookie /usr/lib/hello/bin/hello daemon"
    ]
    assert values(package, "ExecStartPost") == ["/usr/libexec/hello/daemon record"]
    assert values(package, "ExecStop") == ["/usr/libexec/hello/daemon stop"]
    [helper] = [item for item in package.extra if item.path.name == "daemon"]
    skip_unless(shutil.which("shellcheck"), "shellcheck is missing")
    (tmp_path / "daemon").write_bytes(helper.content.data)
    subprocess.run(["shellcheck", "--shell=sh", tmp_path / "daemon"], check=True)
