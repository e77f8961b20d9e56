"""The command /usr/bin/NAME of an installed package: who may run it, as whom, with which variables.

The package of a real release is installed by dpkg in a root of its own, and the release is started
there as systemd would start it, by the unit's own words.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import unit_file
from tests.artifacts import Artifacts
from tests.conftest import skip_unless
from tests.private_root import Root, impossible, private_root
from tests.tools import PATIENCE, wait_until

DATA = Path(__file__).parent / "data"

# What the release's own scripts add, and what the wrapper says about itself.
ADDED = {
    *("BINDIR", "EMU", "PROGNAME", "ROOTDIR", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "TERM"),
    *("USER", "LOGNAME", "ERL_CRASH_DUMP_SECONDS", "COLUMNS", "LINES", "MAIL", "SHELL"),
}
PRINT_ENVIRONMENT = 'for {k, v} <- System.get_env(), do: IO.write([k, "=", v, 0])'


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    return Artifacts(tmp_path_factory.mktemp("wrapper"))


@pytest.fixture(scope="module")
def root() -> Iterator[Root]:
    reason = impossible()
    skip_unless(not reason, reason)
    with private_root() as made:
        # An installation would wait for the index of manual pages.
        made.run("rm", "-f", "/var/lib/man-db/auto-update")
        name = os.uname().nodename
        made.ok("sh", "-c", f"echo '127.0.0.1 {name}' >>/etc/hosts")
        yield made


@pytest.fixture(scope="module")
def install(
    root: Root, artifacts: Artifacts, hello_release: Callable[[str], Path]
) -> Callable[[str], None]:
    """Install the package of hello with these settings, in place of any other."""

    def _install(settings: str) -> None:
        deb = artifacts.folder / artifacts.build(hello_release("1.0.0"), "debian12", settings)
        root.run("dpkg", "--purge", "hello")
        shutil.copy(deb, root.path / "tmp/hello.deb")
        root.ok("dpkg", "--install", "--force-depends", "/tmp/hello.deb")
        # As the first start does.
        group = unit_file.directives(unit(root), "Group")[0]
        root.ok("/usr/libexec/hello/make-secrets", "/run/secrets")
        root.ok("install", "-m", "0640", "-g", group, "/run/secrets", "/etc/hello/secrets")

    return _install


def unit(root: Root) -> str:
    return (root.path / "lib/systemd/system/hello.service").read_text()


@contextmanager
def running(root: Root, tmp_path: Path, **more: str) -> Iterator[None]:
    """The service, started by the words of its unit and with its secrets."""
    text = unit(root)
    [user], [group] = unit_file.directives(text, "User"), unit_file.directives(text, "Group")
    root.ok("install", "-d", "-o", user, "-g", group, "-m", "0750", "/run/hello")
    secrets = (root.path / "etc/hello/secrets").read_text().splitlines()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | unit_file.environment(text) | more
    environment |= dict(line.split("=", 1) for line in secrets if not line.startswith("#"))
    # A start takes half the time.
    environment["RELEASE_MODE"] = "interactive"
    [start] = unit_file.directives(text, "ExecStart")
    log = tmp_path / "log"
    service = root.start(*start.split(), env=environment, user=user, group=group, log=log)
    try:
        wait_until(lambda: "listens on port" in log.read_text(), log.read_text)
        yield
    finally:
        root.run("pkill", "-9", "-x", "beam.smp")
        root.run("pkill", "-9", "-x", "epmd")
        service.wait()
        root.run("rm", "-rf", "/run/hello")


def variables(printed: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in printed.split("\0") if item)


PLAIN = """
[service.environment]
GREETING = 'Grüße "100%" $HOME'
[migrations]
function = "Hello.Release.migrate"
[commands]
title = "IO.puts(Hello.title())"
"""


@pytest.fixture(scope="module")
def stopped(install: Callable[[str], None], root: Root) -> Root:
    """The service is installed, and does not run."""
    install(PLAIN)
    return root


def test_root_and_the_service_s_user_may_and_others_are_told(stopped: Root) -> None:
    for user in ("", "hello"):
        assert stopped.ok("/usr/bin/hello", "version", user=user) == "hello 1.0.0\n"
    for user in ("games", "www-data"):
        done = stopped.run("/usr/bin/hello", "eval", "1", user=user)
        assert (done.returncode, done.stdout, done.stderr) == (
            1,
            "",
            "hello: run it as root or as hello: sudo hello eval\n",
        )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("verison", "version"),
        ("statsu", "status"),
        ("migrat", "migrate"),
        ("titel", "title"),
        ("x", ""),
        ("$(id)\\n'", ""),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest(
    stopped: Root, given: str, meant: str
) -> None:
    done = stopped.run("/usr/bin/hello", given, user="games")
    assert (done.returncode, done.stdout) == (2, "")
    first, _, usage = done.stderr.partition("\n\n")
    hint = f'; did you mean "{meant}"?' if meant else ""
    assert first == f'hello: there is no command "{given}"{hint}'
    assert usage == stopped.ok("/usr/bin/hello", "help")


def test_it_runs_as_the_service_s_user_from_a_directory_that_it_may_not_search(
    stopped: Root,
) -> None:
    stopped.ok("install", "-d", "-m", "0700", "/srv/private")
    code = 'IO.puts(File.cwd!()); System.cmd("id", ["-un"]) |> elem(0) |> IO.write()'
    for user in ("", "hello"):
        done = stopped.run("/usr/bin/hello", "eval", code, user=user, cwd="/srv/private")
        assert (done.stdout, done.stderr) == ("/var/lib/hello\nhello\n", "")


def test_the_environment_is_the_unit_s(stopped: Root) -> None:
    settings = stopped.path / "etc/hello/environment"
    before = settings.read_text() if settings.exists() else ""
    settings.write_text(
        f"{before}\nPORT=4001\n"
        "SPACES = two words \n"
        "RUN=$(touch /tmp/pwned) `touch /tmp/pwned`; touch /tmp/pwned\n"
        'QUOTED="a \\"b\\" \\\\ \'c\' \\$d"\n'
        "LINES_OF='one\ntwo'\n"
        "user=root\nrelease=/bin/false\nname=x\nvalue=y\nline=z\n"
        "$(touch /tmp/pwned)=1\n"
    )
    try:
        caller = {"LC_ALL": "POSIX", "ERL_FLAGS": "-name stray", "GREETING": "mine", "MY_OWN": "x"}
        done = stopped.run("/usr/bin/hello", "eval", PRINT_ENVIRONMENT, env=caller)
    finally:
        settings.write_text(before)
    assert done.returncode == 0, done.stderr
    found = variables(done.stdout)
    expected = unit_file.environment(unit(stopped)) | {
        "PORT": "4001",
        "SPACES": "two words",
        "RUN": "$(touch /tmp/pwned) `touch /tmp/pwned`; touch /tmp/pwned",
        "QUOTED": "a \"b\" \\ 'c' $d",
        "LINES_OF": "one\ntwo",
        "user": "root",
        "release": "/bin/false",
        "name": "x",
        "value": "y",
        "line": "z",
    }
    # The one difference: what a command writes is its own.
    assert found.pop("RELEASE_TMP").startswith("/tmp/")
    assert expected.pop("RELEASE_TMP") == "/run/hello"
    assert {name: found.get(name) for name in expected} == expected
    extra = found.keys() - expected.keys() - ADDED
    assert {name for name in extra if not name.startswith("RELEASE_")} == set()
    assert found["GREETING"] == 'Grüße "100%" $HOME'
    assert not (stopped.path / "tmp/pwned").exists()


def test_the_exit_status_and_standard_input_pass_through(stopped: Root) -> None:
    assert stopped.run("/usr/bin/hello", "eval", "System.halt(7)").returncode == 7
    done = stopped.run("/usr/bin/hello", "eval", 'IO.write(IO.gets(""))', stdin="a line\n")
    assert done.stdout == "a line\n"
    assert stopped.run("/usr/bin/hello", "rpc", "1").returncode == 1
    assert stopped.run("/usr/bin/hello", "nonsense").returncode == 2


def test_nothing_stays_behind_of_a_command_while_the_service_is_stopped(stopped: Root) -> None:
    assert stopped.ok("/usr/bin/hello", "migrate").startswith("migrated 1:")
    code = 'IO.puts(System.get_env("RELEASE_TMP")); Process.sleep(:infinity)'
    words = stopped.command("/usr/bin/hello", "eval", code, user="hello")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout
        directory = command.stdout.readline().strip()
        assert stopped.ok("stat", "--format=%U %a", directory) == "hello 700\n"
        # As a terminal does: to everyone in the foreground.
        stopped.ok("pkill", "-TERM", "-u", "hello")
        command.wait(timeout=PATIENCE)
    left = [path.name for path in (stopped.path / "tmp").iterdir()]
    assert left == ["hello.deb"]


def test_what_the_service_left_in_its_directories_is_not_read_as_root(
    install: Callable[[str], None], root: Root
) -> None:
    install("[helpers]\ncloud-init = true\n")
    root.ok("install", "-d", "-o", "hello", "-m", "0750", "/run/hello", "/var/lib/hello/bin")
    trap = "#!/bin/sh\n/usr/bin/id -un >>/var/lib/hello/ran\n"
    for program in ("runuser", "mktemp", "rm", "id", "env"):
        (root.path / f"var/lib/hello/bin/{program}").write_text(trap)
    root.ok("sh", "-c", "chmod 755 /var/lib/hello/bin/* && touch /var/lib/hello/ran")
    root.ok("chown", "-R", "hello:hello", "/var/lib/hello")
    planted = "PATH=/var/lib/hello/bin:/usr/bin:/bin\nLD_PRELOAD=/var/lib/hello/evil.so\n"
    (root.path / "run/hello/machine").write_text(planted)
    root.run("/usr/bin/hello", "eval", "1")
    root.run("/usr/bin/hello", "version")
    root.ok("rm", "-rf", "/run/hello")
    ran = (root.path / "var/lib/hello/ran").read_text().split()
    assert set(ran) <= {"hello"}


def test_the_machine_s_variables_are_there_while_the_service_is_stopped(
    install: Callable[[str], None], root: Root
) -> None:
    install("[helpers]\ncloud-init = true\n")
    done = root.run("/usr/bin/hello", "eval", "1")
    assert (done.returncode, done.stderr) == (
        1,
        "hello: /run/cloud-init/instance-data.json is missing: is this machine set up by cloud-init?\n",
    )
    (root.path / "run/cloud-init").mkdir()
    shutil.copy(DATA / "instance-data.aws.json", root.path / "run/cloud-init/instance-data.json")
    code = 'IO.puts(System.get_env("AWS_REGION"))'
    assert root.ok("/usr/bin/hello", "eval", code) == "eu-west-1\n"
    root.ok("rm", "-r", "/run/cloud-init")


def test_the_running_system(install: Callable[[str], None], root: Root, tmp_path: Path) -> None:
    install(PLAIN)
    with running(root, tmp_path):
        assert root.ok("/usr/bin/hello", "title") == "hello 1.0.0\n"
        assert root.ok("/usr/bin/hello", "rpc", "IO.puts(Hello.title())", user="hello") == (
            "hello 1.0.0\n"
        )
        assert root.ok("/usr/bin/hello", "pid") == root.ok("pgrep", "-x", "beam.smp")
        line = root.ok("/usr/bin/hello", "rpc", 'IO.write(IO.gets(""))', stdin="a line\n")
        assert line == "a line\n"
        assert root.run("/usr/bin/hello", "rpc", "exit(:no)").returncode == 1
        # A migration beside it writes nothing to its directory.
        root.ok("/usr/bin/hello", "migrate")
        assert list((root.path / "run/hello").iterdir()) == []


def test_a_console_in_the_running_system(
    install: Callable[[str], None], root: Root, tmp_path: Path
) -> None:
    with running(root, tmp_path):
        # A terminal of its own, whose end of input ends the console.
        typed = 'IO.puts(Enum.join([Hello.title(), node()], " on "))\n'
        words = ("script", "--quiet", "--command", "/usr/bin/hello remote", "/dev/null")
        with subprocess.Popen(
            root.command(*words),
            env={"TERM": "xterm", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as console:
            assert console.stdin
            assert console.stdout
            seen = ""
            while "iex(" not in seen:
                seen += console.stdout.read(1) or pytest.fail(seen)
            console.stdin.write(typed)
            console.stdin.flush()
            while "hello 1.0.0 on hello@127.0.0.1" not in seen:
                seen += console.stdout.read(1) or pytest.fail(seen)
            console.kill()


def test_without_epmd_and_as_a_user_and_group_that_were_there_before(
    install: Callable[[str], None], root: Root, tmp_path: Path
) -> None:
    install(
        '[service]\nuser = "games"\ngroup = "www-data"\n'
        'shared-accounts = ["games", "www-data"]\n[distribution]\nepmd = false\nport = 4370\n'
    )
    with running(root, tmp_path):
        assert root.ok("/usr/bin/hello", "rpc", "IO.puts(node())") == "hello@127.0.0.1\n"
        code = 'System.cmd("id", ["-un"]) |> elem(0) |> IO.write()'
        assert root.ok("/usr/bin/hello", "eval", code) == "games\n"
        listening = root.ok("ss", "--no-header", "-ltn").splitlines()
        assert {line.split()[3] for line in listening} == {"127.0.0.1:4370", "0.0.0.0:4000"}
        assert root.run("pgrep", "-x", "epmd").returncode == 1


def test_with_epmd_nothing_of_it_listens_to_others(
    install: Callable[[str], None], root: Root, tmp_path: Path
) -> None:
    install("[distribution]\nepmd = true\nport = 4371\n")
    with running(root, tmp_path):
        assert root.ok("/usr/bin/hello", "rpc", "IO.puts(node())") == "hello@127.0.0.1\n"
        listening = root.ok("ss", "--no-header", "-ltn").splitlines()
        addresses = {line.split()[3] for line in listening} - {"0.0.0.0:4000"}
        assert addresses <= {"127.0.0.1:4371", "127.0.0.1:4369", "[::1]:4369"}


def test_without_distribution(install: Callable[[str], None], root: Root, tmp_path: Path) -> None:
    install('[distribution]\nreach = "none"\n')
    with running(root, tmp_path):
        done = root.run("/usr/bin/hello", "rpc", "1")
        assert done.returncode == 1
        assert "[distribution] is off in this package" in done.stderr
        assert root.ok("/usr/bin/hello", "eval", "IO.puts(node())") == "nonode@nohost\n"
        listening = root.ok("ss", "--no-header", "-ltn").splitlines()
        assert {line.split()[3] for line in listening} == {"0.0.0.0:4000"}
    assert "rpc" not in root.ok("/usr/bin/hello", "help")


def test_in_a_cluster(install: Callable[[str], None], root: Root, tmp_path: Path) -> None:
    install('[distribution]\nreach = "cluster"\nnode = "blue@127.0.0.1"\nport = 4372\n')
    with running(root, tmp_path):
        assert root.ok("/usr/bin/hello", "rpc", "IO.puts(node())") == "blue@127.0.0.1\n"
    install('[distribution]\nreach = "cluster"\n')
    with running(root, tmp_path):
        name = os.uname().nodename.partition(".")[0]
        assert root.ok("/usr/bin/hello", "rpc", "IO.puts(node())") == f"hello@{name}\n"


# What is set, and by whom

CONFIGURED = """
[service]
environment-files = ["-/etc/default/hello"]
[service.environment]
GREETING = "Hej"
[secrets]
generate = ["SECRET_KEY_BASE"]
"""


def test_config_shows_each_variable_with_its_source_and_no_secret(
    install: Callable[[str], None], root: Root
) -> None:
    install(CONFIGURED)
    put(root, "/etc/default/hello", "GREETING=default\nFROM=default\nAPI_TOKEN=t0ken\n")
    put(
        root,
        "/etc/hello/environment",
        "GREETING=first\nGREETING=mine\nDATABASE_URL=ecto://ann:pa:ss@db/x\nODD='a\033[2J\nb'\nPATH=/none\n",
    )
    done = root.run("/usr/bin/hello", "config")
    assert done.returncode == 0, done.stderr
    rows = {row.split()[0]: row.split(None, 2)[1:] for row in done.stdout.splitlines()}
    assert rows["VARIABLE"] == ["FROM", "VALUE"]
    assert rows["GREETING"] == ["/etc/hello/environment", "mine"]
    assert rows["FROM"] == ["/etc/default/hello", "default"]
    assert rows["API_TOKEN"] == ["/etc/default/hello", "[hidden]"]
    assert rows["SECRET_KEY_BASE"] == ["/etc/hello/secrets", "[hidden]"]
    assert rows["DATABASE_URL"] == ["/etc/hello/environment", "ecto://ann:[hidden]@db/x"]
    assert rows["ODD"] == ["/etc/hello/environment", "a[2J b"]
    assert rows["PATH"] == ["/etc/hello/environment", "/none"]
    assert "the unit" in next(row for row in done.stdout.splitlines() if row.startswith("HOME "))
    # Of two lines of one file systemd takes the second, and so do commands.
    asked = ["/usr/bin/hello", "eval", 'IO.puts(System.get_env("GREETING"))']
    put(root, "/etc/hello/environment", "GREETING=first\nGREETING=mine\n")
    assert root.ok(*asked) == "mine\n"
    assert root.run("/usr/bin/hello", "config", user="games").returncode == 1


BEFORE = """# Settings.
#
# PORT=4000
A = 1 \\
  B=2
  GREETING = 'a
GREETING=b' "c"
C="x \\" GREETING=no
y"
GREETING=\\
last
D=$HOME
"""
AFTER = """# Settings.
#
# PORT=4000
PORT=4001
A = 1 \\
  B=2
GREETING="it's \\"\\$HOME\\" \\`id\\` \\\\ 100%
Grüße"
C="x \\" GREETING=no
y"
D=$HOME
E=
"""


def test_config_set_writes_what_systemd_reads_and_leaves_the_rest(
    install: Callable[[str], None], root: Root
) -> None:
    install(CONFIGURED)
    put(root, "/etc/hello/environment", BEFORE)
    root.ok("chown", "games:mail", "/etc/hello/environment")
    root.ok("chmod", "0604", "/etc/hello/environment")
    greeting = 'it\'s "$HOME" `id` \\ 100%\nGrüße'
    root.ok("/usr/bin/hello", "config", "set", "PORT=4001", f"GREETING={greeting}", "E=")
    assert (root.path / "etc/hello/environment").read_text() == AFTER
    assert root.ok("stat", "--format=%U %G %a", "/etc/hello/environment") == "games mail 604\n"
    assert root.ok("ls", "/etc/hello") == "environment\nsecrets\n"
    asked = ["/usr/bin/hello", "eval", 'IO.puts(System.get_env("GREETING"))']
    assert root.ok(*asked) == f"{greeting}\n"
    # A value that no shell's history has.
    root.ok("/usr/bin/hello", "config", "set", "GREETING", stdin="from elsewhere\n")
    assert root.ok(*asked) == "from elsewhere\n"
    root.ok("/usr/bin/hello", "config", "unset", "GREETING", "E", "PORT")
    assert root.ok(*asked) == "default\n"
    root.ok("rm", "/etc/hello/environment")
    root.ok("/usr/bin/hello", "config", "set", "GREETING=Moin")
    assert root.ok("stat", "--format=%U %G %a", "/etc/hello/environment") == "root hello 640\n"


def test_config_set_refuses_what_would_break_the_file(
    install: Callable[[str], None], root: Root
) -> None:
    install(CONFIGURED)
    put(root, "/etc/hello/environment", "A=1\n")
    for words, user, said in (
        (["set", "B=2", "1X=3"], "", '"1X" cannot be the name'),
        (["set", "B=2", "X=a\033[2J"], "", "the value of X has control characters"),
        (["set", "B=2", "X=a\udcff"], "", "the value of X is not UTF-8"),
        (["set", "B", "C"], "", "only one value can come from standard input"),
        (["set"], "", "Usage: hello config set"),
        (["sett", "B=2"], "", "Usage: hello COMMAND"),
        (["set", "B=2"], "hello", "run it as root: sudo hello config set"),
    ):
        done = root.run("/usr/bin/hello", "config", *words, user=user)
        assert done.returncode in (1, 2), words
        assert said in done.stderr
    assert (root.path / "etc/hello/environment").read_text() == "A=1\n"
    put(root, "/etc/hello/environment", "A='1\n")
    done = root.run("/usr/bin/hello", "config", "set", "B=2")
    assert "a quote in it has no end" in done.stderr
    assert (root.path / "etc/hello/environment").read_text() == "A='1\n"
    root.ok("ln", "-sf", "/var/lib/hello/x", "/etc/hello/environment")
    assert "is a link to" in root.run("/usr/bin/hello", "config", "set", "B=2").stderr
    assert root.ok("ls", "/etc/hello") == "environment\nsecrets\n"
    root.ok("rm", "/etc/hello/environment")


def put(root: Root, path: str, text: str) -> None:
    (root.path / path[1:]).write_text(text)
