"""`on-upgrade = "hot"`: the running VM is upgraded, or restarted if that is impossible."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import releases
from tests.acceptance import service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import DISTROS, INSTALL, on
from tests.acceptance.lifecycle.running_code import running_code
from tests.artifacts import Artifacts
from tests.tools import PATIENCE, run

pytestmark = [pytest.mark.acceptance, pytest.mark.embedded]

SETTINGS = """
[service]
on-upgrade = "hot"
[service.ready]
tcp = 4000
"""

# Of a version that never answers.
IMPATIENT = SETTINGS + "timeout-sec = 3\n"

OLD = "1.0.0 | Hello | one | anything | Counter,Leaving,Moving,Numbered,Server,Task.Supervisor"
NEW = "1.1.0 | Good day | number one | an atom | Arriving,Counter,Moving,Numbered,Server,Task.Supervisor"
# A child by another module, and a module of another application.
NEWEST = (
    "1.2.0 | Good day | the number one | an atom |"
    " Arrived,Counter,Moving,Numbered,Server,Task.Supervisor"
)

CHANGED = " | {{[{changed}], [{new}], []}}"

# Fifty connections a second until a file is there, and one that stays open all the time, with a request on each.
# Prints how many there were, how many failed, and the longest wait in milliseconds.
CLIENT = r"""
use strict; use IO::Socket::INET;
# perl-base has no Time::HiRes.
sub now { open my $uptime, "<", "/proc/uptime" or die; return (split " ", <$uptime>)[0] * 1000 }
my ($asked, $failed, $longest) = (0, 0, 0);
sub connection { IO::Socket::INET->new(PeerAddr => "127.0.0.1:4000", Timeout => 10) }
sub ask {
    my ($socket) = @_;
    return 0 unless $socket;
    print $socket "GET / HTTP/1.1\r\n\r\n";
    my ($line, $length) = ("", 0);
    while (defined($line = <$socket>)) {
        $length = $1 if $line =~ /^content-length: (\d+)/;
        last if $line eq "\r\n";
    }
    return $length && read($socket, $line, $length) == $length;
}
$SIG{PIPE} = "IGNORE";
my $kept = connection();
until (-e "/tmp/enough") {
    my $start = now();
    $asked += 2;
    $failed++ unless ask(connection());
    $failed++ unless ask($kept);
    my $took = now() - $start;
    $longest = $took if $took > $longest;
    select(undef, undef, undef, (20 - $took) / 1000) if $took < 20;
}
printf "%d %d %d\n", $asked, $failed, $longest;
"""

APPUP = """{"1.1.0",
 [{<<"1\\\\.0\\\\..*">>, [{update, relay_counter, {advanced, {appup, 100}}}]}],
 [{"1.0.0", [{update, relay_counter, {advanced, []}}]}]}.
"""

# What is wrong with the code path, which applications came and went, and a file of the application's own.
SEEN = """hot rpc 'IO.inspect {Enum.reject(:code.get_path(), &:filelib.is_dir/1),
  for({app, _, _} <- Application.started_applications(), app in [:inets, :ftp], do: app),
  File.read(Application.app_dir(:hot, "priv/word"))}'"""

# How needrestart reads its configuration, and whether it ignores the VM then.
NEEDRESTART = """perl -e 'our %nrconf = (blacklist => []);
  eval do { local(@ARGV, $/) = "/etc/needrestart/conf.d/hot.conf"; <> }; die $@ if $@;
  print scalar grep { "/usr/lib/hot/erts-1/bin/beam.smp" =~ /$_/ } @{$nrconf{blacklist}}'"""

# MOMENT VICTIM COMMAND ...: an installation of which somebody is killed: when the VM is asked, when another one plans,
# or when the switch has begun, which then waits for a process.
KILL = """
moment=$1 victim=$2
shift 2
rm -f /run/hot/releases/plan
setsid "$@" >/tmp/out 2>&1 &
case $moment in
asked) until pgrep -f '[-]-rpc-eval'; do sleep 0.02; done ;;
planning) until pgrep -f '[-]-eval :file.script'; do sleep 0.02; done ;;
switching) until [ -s /run/hot/releases/plan ]; do sleep 0.02; done ;;
esac >/dev/null
case $victim in
all) pkill -KILL -x dpkg; pkill -KILL -f '[h]ot.postinst|[h]ot hot-upgrade|--as-service|[-]-rpc-eval' ;;
dpkg) pkill -KILL -x dpkg ;;
client) pkill -KILL -f '[-]-rpc-eval' ;;
planner) pkill -KILL -f '[-]-eval :file.script' ;;
VM) kill -KILL "$(systemctl show --value -p MainPID hot)" ;;
esac
while pgrep -f '[h]ot.postinst|[-]-rpc-eval'; do sleep 0.05; done >/dev/null
"""

KILLED = (
    ("asked", "dpkg"),
    ("asked", "all"),
    ("planning", "planner"),
    ("switching", "all"),
    ("switching", "client"),
    ("switching", "VM"),
)

BUSY = (
    "spawn(fn -> :sys.replace_state(Hot.Counter, fn state -> Process.sleep(4000); state end) end)"
)


@dataclass(frozen=True)
class Hot:
    """A host with tests/data/hot on it."""

    host: Host
    family: str
    distro_id: str
    artifacts: Artifacts

    def install(self, release: Path, settings: str = SETTINGS) -> str:
        """What the installation prints."""
        return self.host.run(f"{self.command(release, settings)} 2>&1", timeout=300)

    def command(self, release: Path, settings: str = SETTINGS) -> str:
        package = f"{PACKAGES}/{self.artifacts.build(release, self.distro_id, settings)}"
        return f"{INSTALL[self.family]} {package}"

    def pid(self) -> str:
        return service.value(self.host, "MainPID", "hot")

    def page(self) -> str:
        return self.host.http().strip().replace("Hot.", "")

    def settles(self, starts: tuple[str, ...], *, seconds: float = PATIENCE) -> None:
        """Wait until it answers so: a switch that has begun takes some time."""
        deadline = time.monotonic() + seconds
        while not (page := self.page()).startswith(starts):
            assert time.monotonic() < deadline, page
            time.sleep(0.2)

    def count(self) -> int:
        return int(self.host.http("/count"))

    def is_whole(self) -> None:
        """The package's files are as they came, and nothing else is there."""
        verify = {"deb": "dpkg --verify hot", "rpm": "rpm --verify hot"}[self.family]
        assert self.host.run(verify).strip() == ""
        assert self.host.run("find /usr/lib/hot -name .running -o -type l").strip() == ""

    def restarted(self, release: Path, settings: str = SETTINGS) -> str:
        """Why the service was restarted by this installation."""
        pid = self.pid()
        out = self.install(release, settings)
        assert self.pid() != pid
        (why,) = re.findall("restarted, not upgraded while it runs: (.*)", out)
        assert why in self.host.run("hot upgrades").splitlines()[-1]
        assert why in self.host.run("journalctl --unit hot")
        self.is_whole()
        return why


@pytest.fixture
def hot(host: Host, suite: str, family: str, artifacts: Artifacts) -> Hot:
    """A machine to install tests/data/hot on."""
    return Hot(host, family, DISTROS[family][suite], artifacts)


def with_word(hot: Hot, release: Path, word: str) -> Path:
    made = hot.artifacts.folder / f"word-{word}.tar.gz"
    static = f"lib/hot-{word}/priv/static"
    more = {f"{static}/{name}": word for name in (*digested(word), "robots-ab.txt")}
    return releases.changed(release, made, {f"lib/hot-{word}/priv/word": word, **more})


def digested(version: str) -> list[str]:
    """Files of a version as `mix phx.digest` calls them, below priv/static."""
    digest = version.replace(".", "") * 10 + "ab"
    return [f"assets/app-{digest}.js.gz", f"of-{version}/only-{digest}.css"]


BORROWER = """-module(borrower).
-behaviour(supervisor).
-export([start_link/0, init/1]).
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).
init([]) -> {ok, {#{}, lent:children()}}.
"""

LENT = """-module(lent).
-export([children/0]).
children() -> [#{id => Id, start => {M, start_link, Args}, restart => R} || {Id, M, Args, R} <- [CHILDREN]].
"""

EVENTS, AGENT = "gen_event, []", "'Elixir.Agent', [erlang, node, []]"
ONCE = """{once, 'Elixir.Task', ['Elixir.File', 'write!', [<<"/var/lib/hot/once">>, <<"x">>, [append]]], temporary}"""

BORROWED = "hot rpc 'for {id, pid, _, [m]} <- :supervisor.which_children(:borrower), do: IO.inspect({id, m, pid})'"


def lending(hot: Hot, version: str, *children: str) -> Path:
    """A version with a supervisor that has another module say what its children are."""
    folder = hot.artifacts.folder / f"lent-{version}"
    folder.mkdir()
    files: dict[str, Any] = {
        f"lib/hot-{version}/ebin/hot.app": lambda app: app.replace(
            "{modules,[", "{modules,[borrower,lent,"
        )
    }
    for name, text in (("borrower", BORROWER), ("lent", LENT)):
        source = folder / f"{name}.erl"
        source.write_text(text.replace("CHILDREN", ", ".join((*children, ONCE))))
        run("erlc", "+deterministic", "-o", folder, source)
        files[f"lib/hot-{version}/ebin/{name}.beam"] = source.with_suffix(".beam").read_bytes()
    return releases.changed(
        releases.hot(version, config="polite"), folder / "release.tar.gz", files
    )


@on("bookworm-deb", "trixie-rpm")
def test_the_running_system_becomes_each_version_and_loses_no_request(hot: Hot) -> None:
    host = hot.host
    hot.install(with_word(hot, releases.hot("1.0.0"), "1.0.0"))
    assert hot.page() == OLD
    assert [hot.count(), hot.count()] == [1, 2]
    pid = hot.pid()
    host.write("/tmp/client.pl", CLIENT)
    host.run("perl /tmp/client.pl >/tmp/asked 2>&1 & sleep 0.5")

    first = releases.hot("1.1.0", config="polite", applications="logger inets")
    second = releases.hot("1.2.0", config="polite", applications="logger ftp")
    old, new, newest = (
        releases.hot("1.0.0"),
        with_word(hot, first, "1.1.0"),
        with_word(hot, second, "1.2.0"),
    )
    for number, (release, page, seen, assets_of) in enumerate(
        (
            (
                new,
                f"{NEW} | {{:hot, [:hot]}}",
                '{[], [:inets], {:ok, "1.1.0"}}',
                ["1.0.0", "1.1.0"],
            ),
            (
                newest,
                f"{NEWEST} | {{:settled, [:settled, :hot]}}",
                '{[], [:ftp], {:ok, "1.2.0"}}',
                ["1.1.0", "1.2.0"],
            ),
            (
                old,
                f"{OLD} | {{:hot, [:back, :settled, :hot]}}",
                "{[], [], {:error, :enoent}}",
                [],
            ),
        )
    ):
        version = page.split()[0]
        assert "restarted" not in hot.install(release)
        page, _, places = page.rpartition(" | ")
        assert hot.page().startswith(page)
        assert host.http("/places") == f"{places}\n"
        assert hot.count() == 3 + number
        assert hot.pid() == pid
        assert host.run(SEEN) == f"{seen}\n"
        # Pages that are open ask for digested files of the version before.
        there = host.run(
            "cd /usr/lib/hot/lib/hot-*/ && find priv/static -type f ! -name robots-ab.txt || true"
        )
        wanted = [f"priv/static/{name}" for asset in assets_of for name in digested(asset)]
        assert sorted(there.split()) == sorted(wanted)
        assert host.run("ls /usr/lib/hot/lib | grep hot-") == f"hot-{version}\n"
        assert f"running: {version}\n" in host.run("hot version")
        hot.is_whole()
        assert running_code(host, "hot").wrong == []

    host.run("touch /tmp/enough")
    counted = host.wait_until("grep . /tmp/asked")
    assert re.fullmatch(r"\d+ \d+ \d+\n", counted), counted
    asked, failed, _ = counted.split()
    assert int(asked) > 100
    # How long the longest took says more of this machine than of us: other tests run beside this one.
    assert failed == "0"

    assert [line.split(" ", 1)[1] for line in host.run("hot upgrades").splitlines()] == [
        "1.0.0 -> 1.1.0, upgraded while it ran",
        "1.1.0 -> 1.2.0, upgraded while it ran",
        "1.2.0 -> 1.0.0, upgraded while it ran",
    ]
    # What comes after it is of the installed version, too.
    assert host.run("""hot rpc 'IO.puts(Application.spec(:hot, :vsn))'""") == "1.0.0\n"
    host.run(f"kill -KILL {pid}")
    host.wait_until(f"test $(systemctl show --value -p MainPID hot) != {pid}")
    assert hot.page() == OLD
    assert "restarted" not in hot.install(releases.hot("1.1.0", config="polite"))
    assert hot.page().endswith(CHANGED.format(changed='greeting: "Good day"', new="polite: true"))
    assert "restarted" not in hot.install(releases.hot("1.2.0", config="polite"))
    # Nothing differs; what was read of files is read again.
    assert hot.page().endswith(CHANGED.format(changed="", new=""))
    seen = running_code(host, "hot")
    assert seen.wrong == []
    host.run("systemctl stop hot")
    # Who installs something for a service that is stopped is no less a part of its history.
    hot.install(releases.hot("1.1.0", config="polite"))
    assert "1.2.0 -> 1.1.0, installed while it did not run" in host.run("hot upgrades")
    hot.install(releases.hot("1.2.0", config="polite"))
    host.run("systemctl start hot")
    assert hot.page().startswith(NEWEST)
    # A VM that has just started has the same.
    assert running_code(host, "hot") == seen

    if hot.family == "rpm":
        return
    # A supervisor that has not changed asks a module that has.
    stays, goes = f"{{stays, {EVENTS}, permanent}}", f"{{goes, {EVENTS}, permanent}}"
    differs = f"{{differs, {EVENTS}, permanent}}", f"{{differs, {AGENT}, permanent}}"
    assert "restarted" not in hot.install(lending(hot, "1.1.0", stays, goes, differs[0]))
    child = "%{id: :borrower, start: {:borrower, :start_link, []}, type: :supervisor}"
    host.run(f"hot rpc 'Supervisor.start_child(Hot.Workers, {child})'")
    first = host.run(BORROWED)
    comes = f"{{comes, {AGENT}, permanent}}"
    assert "restarted" not in hot.install(lending(hot, "1.2.0", stays, differs[1], comes))
    lines = sorted(host.run(BORROWED).splitlines())
    assert [line.split(", #")[0] for line in lines] == [
        "{:comes, Agent",
        "{:differs, Agent",
        "{:stays, :gen_event",
    ]
    assert lines[2] in first
    assert host.read("/var/lib/hot/once") == "x"


@on("bookworm-deb")
def test_what_cannot_be_done_so_is_restarted_and_says_why(hot: Hot) -> None:
    host = hot.host
    hot.install(releases.hot("1.0.0"))
    assert hot.page() == OLD

    assert "same version, 1.0.0" in hot.restarted(releases.hot("1.0.0", sources="1.1.0"))

    more = SETTINGS + "[service.limits]\nnofile = 4096\n"
    new = releases.hot("1.1.0", config="polite")
    assert "its unit differs: LimitNOFILE=" in hot.restarted(new, more)

    host.run("echo GREETING=Servus >>/etc/hot/environment")
    assert hot.restarted(releases.hot("1.2.0"), more) == "the variable GREETING differs"
    assert "Servus" in hot.page()

    fun = hot.artifacts.folder / "fun.tar.gz"
    releases.changed(
        new, fun, {"releases/1.1.0/runtime.exs": "\nconfig :hot, fun: fn -> :ok end\n"}
    )
    assert "configuration of hot has a function" in hot.restarted(fun, more)

    native = hot.artifacts.folder / "native.tar.gz"
    releases.changed(releases.hot("1.0.0"), native, {"lib/hot-1.0.0/priv/hot.so": "more"})
    assert "machine code of hot differs" in hot.restarted(native, more)

    broken = hot.artifacts.folder / "broken.tar.gz"
    releases.changed(
        releases.hot("1.0.0"), broken, {"releases/1.0.0/runtime.exs": '\nraise "no such thing"\n'}
    )
    # It does not start either, and the next one does.
    impatient = more.replace("tcp = 4000", "tcp = 4000\ntimeout-sec = 3")
    out = host.fails(f"{hot.command(broken, impatient)} 2>&1")
    assert "configuration cannot be read" in out
    assert "no such thing" in out
    hot.install(releases.hot("1.0.0"))
    assert hot.count() == 1

    why = hot.restarted(releases.hot("1.3.0", sources="raises"))
    assert why.startswith("it failed in the middle")
    assert "this state is not mine" in why
    assert hot.page().startswith("1.3.0")
    assert hot.count() == 1

    # OTP would go on without it: with its old state, and the new code.
    host.run(f"hot rpc '{BUSY.replace('4000', '90000')}'")
    hasty = SETTINGS + "[service.hot]\nsuspend-timeout-sec = 1\n"
    busy = "a process of Elixir.Hot.Counter does not stop in 1 s"
    assert hot.restarted(releases.hot("1.2.0"), hasty) == busy
    hot.install(releases.hot("1.3.0", sources="raises"))

    # What the administrator wrote is not in force, whether or not systemd has loaded it.
    dropin = "/etc/systemd/system/hot.service.d"
    host.run(f"sleep 1; mkdir {dropin}; printf '[Service]\\nLimitNOFILE=4097\\n' >{dropin}/x.conf")
    assert hot.restarted(releases.hot("1.2.0")) == f"{dropin} is newer than its start"
    assert "4097" in host.run(f"grep 'open files' /proc/{hot.pid()}/limits")
    # There is no room for history.
    host.run("cp -a /var/lib/misc /tmp && mount -t tmpfs -o size=64k none /var/lib/misc")
    host.run("cp -a /tmp/misc/. /var/lib/misc")
    host.run("! dd if=/dev/zero of=/var/lib/misc/full bs=4k status=none")
    assert "restarted" not in hot.install(releases.hot("1.0.0"))
    assert hot.page().startswith("1.0.0 | Servus")
    host.run("umount /var/lib/misc")

    # An administrator forbids restarts: what runs is left alone, as ever.
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
    host.run("chmod 755 /usr/sbin/policy-rc.d")
    pid = hot.pid()
    assert "goes on as it was: policy-rc.d forbids" in hot.install(releases.hot("1.2.0"))
    assert hot.pid() == pid
    assert hot.page().startswith("1.0.0")
    host.run("rm /usr/sbin/policy-rc.d")

    # It runs, but not as it should: a start might help, and does not.
    rpc = """rpc = 'to_string(Application.spec(:hot, :vsn)) == "1.0.0"'\n"""
    picky = SETTINGS.replace("tcp = 4000\n", rpc)
    assert hot.restarted(releases.hot("1.0.0"), picky) == "1.2.0 was installed, and 1.0.0 runs"
    pid = hot.pid()
    command = hot.command(new, picky + "timeout-sec = 3\n")
    out = host.fails(f"{command} 2>&1")
    assert "is restarted, since it does not answer after its upgrade" in out
    assert hot.pid() != pid
    assert "no answer after the upgrade" in host.run("hot upgrades").splitlines()[-1]


def test_whoever_is_killed_leaves_one_whole_version(hot: Hot) -> None:
    host = hot.host
    old, new = releases.hot("1.0.0"), releases.hot("1.1.0", config="polite")
    unpack = hot.command(new).replace("--install", "--unpack")
    hot.install(old)
    assert [hot.page(), hot.count()] == [OLD, 1]
    pid = hot.pid()

    # dpkg, when the files are there: the old version runs on, and goes on where dpkg does.
    host.run(unpack)
    assert [hot.page(), hot.count(), hot.pid()] == [OLD, 2, pid]
    assert "restarted" not in host.run("dpkg --configure hot 2>&1")
    assert hot.page().startswith(NEW)
    assert [hot.count(), hot.pid()] == [3, pid]
    hot.is_whole()
    # The VM's own program is of a file that is gone, and needrestart leaves it alone.
    assert host.run(f"readlink /proc/{pid}/exe").strip().endswith("beam.smp (deleted)")
    assert host.run(NEEDRESTART) == "1"

    # The installation goes back while the new files are there.
    host.run(hot.command(old).replace("--install", "--unpack"))
    assert "same version" in hot.install(new)
    assert hot.page().startswith(NEW.rsplit("|", 1)[0])
    hot.is_whole()

    # The VM, between the files and the switch.
    host.run(hot.command(old).replace("--install", "--unpack"))
    pid = hot.pid()
    host.run(f"kill -KILL {pid}")
    host.wait_until(f"test $(systemctl show --value -p MainPID hot) -gt {pid}")
    # A VM that boots does not hear SIGTERM.
    assert hot.page() == OLD
    assert "started again meanwhile" in host.run("dpkg --configure hot 2>&1")
    assert hot.page() == OLD
    hot.is_whole()

    # Whoever takes part in it.
    host.write("/tmp/kill.sh", KILL)
    for moment, victim in KILLED:
        comes = new if hot.page() == OLD else old
        version = "1.1.0" if comes == new else "1.0.0"
        if moment == "switching":
            host.run(f"hot rpc '{BUSY}'")
        host.run(f"sh /tmp/kill.sh {moment} {victim} {hot.command(comes)}")
        # Whatever it becomes, it answers as one version when it is done: the switch goes on without who asked for it.
        hot.settles((OLD, NEW.rsplit("|", 1)[0]))
        host.run("dpkg --configure --pending")
        assert hot.page().startswith(version), (moment, victim)
        assert f"running: {version}\n" in host.run("hot version")
        hot.is_whole()

    # What a service says is a text, and no more.
    evil = hot.artifacts.folder / "evil.tar.gz"
    releases.changed(
        old,
        evil,
        {"releases/1.0.0/runtime.exs": '\nraise "\\e[31m \\\\033[31m $(touch /tmp/pwned)"\n'},
    )
    out = host.fails(f"{hot.command(evil, IMPATIENT)} 2>&1")
    assert "configuration cannot be read" in out
    assert "\x1b" not in out + host.read("/var/lib/misc/hot.upgrades")
    assert not host.succeeds("test -e /tmp/pwned")

    host.run("dpkg --purge hot")
    left = "/usr/lib/hot /run/hot* /var/lib/misc/hot* /etc/needrestart"
    assert host.run(f"ls -d {left} 2>/dev/null || true") == ""


@on("bookworm-deb", "trixie-rpm")
def test_the_running_system_of_another_tool_s_release(hot: Hot, distillery_release: Path) -> None:
    host = hot.host

    def install(release: Path) -> str:
        return hot.install(release, '[service]\non-upgrade = "hot"\n')

    # erl_call crashes where the host does not know its own name.
    host.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")
    install(releases.relay("1.0.0"))
    assert host.http() == "1.0.0 Hello 1 1 [relay_counter,relay_events,relay_http,relay_pool]\n"
    pid = service.value(host, "MainPID", "relay")
    # A dependency says itself how it is upgraded.
    new = hot.artifacts.folder / "relay.tar.gz"
    releases.changed(
        releases.relay("1.1.0"), new, {"lib/relay_counter-1.1.0/ebin/relay_counter.appup": APPUP}
    )
    assert "restarted" not in install(new)
    children = "[relay_arriving,relay_counter,relay_events,relay_http,relay_pool], and more"
    assert host.http() == f"1.1.0 Hello 102 2 {children}\n"
    assert "restarted" not in install(releases.relay("1.0.0"))
    assert host.http() == "1.0.0 Hello 103 3 [relay_counter,relay_events,relay_http,relay_pool]\n"
    assert service.value(host, "MainPID", "relay") == pid
    assert host.run("relay version").splitlines()[:2] == ["installed: 1.0.0", "running: 1.0.0"]
    host.run("echo GREETING=Servus >>/etc/relay/environment")
    assert "the variable GREETING differs" in install(releases.relay("1.1.0"))
    assert host.http().startswith("1.1.0 Servus 1 ")
    assert len(host.run("relay upgrades").splitlines()) == 3
    if hot.family == "rpm":
        assert host.run("rpm --verify --noconfig relay") == ""
        return
    host.run("dpkg --verify relay && dpkg --purge relay")

    assert "is restarted" not in install(distillery_release)
    # A VM that boots does not hear SIGTERM.
    host.http()
    assert "a release of distillery cannot do it" in install(distillery_release)
    assert host.http().endswith(" from hello 1.0.0\n")
