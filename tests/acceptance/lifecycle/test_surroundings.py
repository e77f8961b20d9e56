"""The environment of a service: order of variables, directories, other units, the restart flag."""

import pytest

from tests.acceptance.lifecycle.machines import Machine, on

pytestmark = pytest.mark.acceptance

SETTINGS = """
[service]
restart-method = "flag"
environment-files = ["-/etc/default/hello", "-/var/lib/hello/more"]
[service.environment]
GREETING = "unit"
[service.directories]
cache = true
logs = true
tmp = true
[[file]]
path = "/usr/lib/tmpfiles.d/uploads.conf"
content = "d /srv/uploads 0750 hello hello -"
"""
DIRECTORIES = """
for name <- ~w(STATE RUNTIME CONFIGURATION CACHE LOGS TMP) do
  IO.puts(System.get_env(name <> "_DIR"))
end
"""


@on("bookworm-deb", "trixie-rpm")
def test_what_a_service_finds_around_it(machine: Machine) -> None:
    variables_in_their_order(machine)
    directories(machine)
    the_flag(machine)
    a_unit_that_hides_ours(machine)


def variables_in_their_order(machine: Machine) -> None:
    host = machine.host
    host.write("/etc/default/hello", "GREETING=default\nFROM=default\n")
    machine.serve("1.0.0", SETTINGS)
    host.run("runuser -u hello -- sh -c 'echo FROM=more >/var/lib/hello/more'")
    host.run("runuser -u hello -- sh -c 'echo GREETING=more >>/var/lib/hello/more'")
    asked = "tr '\\0' '\\n' </proc/$(systemctl show --value -p MainPID hello)/environ"
    said = """hello eval 'IO.puts(System.get_env("GREETING") <> System.get_env("FROM"))'"""
    # The administrator's is the last, for root alone as well.
    host.run("echo GREETING=mine >>/etc/hello/environment")
    for owner in ("root:hello", "root:root"):
        host.run(f"chown {owner} /etc/hello/environment; systemctl restart hello")
        assert host.http() == "mine from hello 1.0.0\n"
        assert "FROM=more\n" in host.run(asked)
        assert host.run(said) == "minemore\n"
    host.run("sed -i /GREETING/d /etc/hello/environment; systemctl restart hello")
    assert host.http() == "more from hello 1.0.0\n"


def directories(machine: Machine) -> None:
    host = machine.host
    host.run("""hello rpc 'File.write!("/srv/uploads/kept", "")'""")
    assert machine.stat("/srv/uploads/kept") == "600 hello hello"
    # The VM sets owners along with times and modes.
    host.run(
        """hello rpc 'p = "/srv/uploads/kept"; File.touch!(p); File.cp!(p, p <> "2"); File.chmod!(p, 0o640)'"""
    )
    assert machine.stat("/srv/uploads/kept") == "640 hello hello"
    assert host.run(f"hello rpc '{DIRECTORIES}'").split() == [
        "/var/lib/hello",
        "/run/hello",
        "/etc/hello",
        "/var/cache/hello",
        "/var/log/hello",
        "/var/cache/hello/tmp",
    ]


def the_flag(machine: Machine) -> None:
    host = machine.host
    before = machine.invocation()
    host.run("""hello rpc 'File.touch!("/run/hello-restart/flag")'""")
    host.wait_until(f"test $(systemctl show --value -p InvocationID hello) != {before}")
    host.http()
    # A service that is stopped stays so, and a command leaves no epmd behind.
    host.run("systemctl stop hello; touch /run/hello-restart/flag")
    assert "does not run" in host.fails("hello rpc 1 2>&1")
    host.run("sleep 3")
    assert not host.succeeds("systemctl is-active hello")
    assert not host.succeeds("pgrep epmd")


def a_unit_that_hides_ours(machine: Machine) -> None:
    host = machine.host
    theirs = "/etc/systemd/system/hello.service"
    host.write(theirs, "[Service]\nExecStart=/bin/sleep infinity\n")
    said = host.run(machine.install_command("1.1.0", SETTINGS) + " 2>&1")
    assert f"hello: {theirs} is there and hides the package's hello.service" in said
    host.run(f"rm {theirs}; systemctl daemon-reload; systemctl mask hello")
    said = host.run(machine.install_command("1.0.0", SETTINGS) + " 2>&1")
    assert "hides" not in said
    host.run("systemctl unmask hello")


CHROOT = """
[service]
hardening = "chroot"
restart-sec = 1
restart-method = "flag"
environment-files = ["-/var/lib/hello/more"]
exec-start-pre = ["+/bin/ls /"]
read-write-paths = ["/srv/uploads", "-/srv/none"]
inaccessible-paths = ["/home/none", "/usr/share/doc"]
[service.directories]
tmp = true
[migrations]
when = "start"
"""
MIGRATES = 'function = "Hello.Release.migrate"\n'
SEEN = """
for path <- ["/", "/srv", "/run"], do: IO.puts(Enum.join(Enum.sort(File.ls!(path)), " "))
IO.inspect(File.ls("/usr/share/doc"))
for path <- ~w(/x /var/x /var/lib/x /etc/x /usr/x), do: {:error, :erofs} = File.write(path, "")
for path <- ~w(/srv/uploads /var/lib/hello /tmp), do: File.write!(path <> "/x", "")
"""


@on("bullseye-deb", "trixie-deb")
def test_a_root_of_its_own(machine: Machine) -> None:
    host = machine.host
    host.run("mkdir -m 0777 /srv/uploads; mkdir /srv/others")
    machine.serve("1.0.0", CHROOT + MIGRATES)
    assert host.http("/schema") == "2\n"
    root, srv, run, hidden = host.run(f"hello rpc '{SEEN}'").splitlines()
    assert set(root.split()) == set(
        "bin dev etc lib lib64 proc run sbin srv sys tmp usr var".split()
    )
    assert srv == "uploads"
    assert run == "hello hello-restart systemd"
    assert hidden == "{:error, :eacces}"
    assert machine.stat("/etc/hello/secrets") == "640 root hello"

    # What is replaced on the host is replaced in there, too.
    host.run("echo nameserver 192.0.2.1 >/etc/new; mv /etc/new /etc/resolv.conf")
    assert "192.0.2.1" in host.run("""hello rpc 'IO.puts(File.read!("/etc/resolv.conf"))'""")
    before = machine.invocation()
    host.run("""hello rpc 'File.touch!("/run/hello-restart/flag")'""")
    host.wait_until(f"test $(systemctl show --value -p InvocationID hello) != {before}")
    host.http()

    # Commands of root's reach systemd from there.
    host.wait_until("hello rpc 1")
    machine.install("1.1.0", CHROOT + MIGRATES.replace("migrate", "missing"))
    host.run("sleep 3; journalctl --sync")
    assert host.run("systemctl is-active hello || true") == "failed\n"
    assert host.run("journalctl --unit hello --output cat").count("the migration failed") == 1
