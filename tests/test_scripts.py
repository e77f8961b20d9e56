"""Everything in a package that a shell, sudo or a reader of manuals runs into, whatever the settings."""

import gzip
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import select
from pkgrel.errors import PlanError
from pkgrel.package import File, Package
from tests import releases
from tests.artifacts import Artifacts
from tests.conftest import skip_unless
from tests.private_root import Root, impossible, private_root

HEAD = """
[package]
maintainer = "Example Team <team@example.org>"
summary = "Says \\"hello\\" \\\\ $HOME 'n' -- %h"
"""
SETTINGS = {
    "plain": "",
    "everything": """
        name = "hello-world.2+x"
        [service]
        user = "hello"
        group = "hello-group"
        deploy-user = "deploy"
        sudo-service = true
        extra-groups = ["ssl-cert", "audio"]
        remove-user = true
        restart-method = "flag"
        listen = ["80", "127.0.0.1:81"]
        on-upgrade = "wait"
        environment-files = ["-/etc/default/hello"]
        credentials = { tls = "/etc/tls" }
        [service.environment]
        GREETING = "it's \\"$HOME\\" `id` \\\\ 100% Grüße"
        [service.ready]
        rpc = "Hello.title() == \\"it's $HOME\\""
        [service.directories]
        cache = true
        logs = true
        tmp = true
        [distribution]
        epmd = false
        port = 4370
        [secrets]
        generate = ["SECRET_KEY_BASE", "TOKEN"]
        [migrations]
        function = "Hello.Release.migrate"
        when = "install"
        [helpers]
        s3 = "s3://bucket/pre fix/it's"
        cloud-init = true
        ssm = { DATABASE_URL = "/prod/db" }
        [commands]
        greet = "IO.puts(\\"it's $HOME\\")"
        [scripts]
        before-install = "snippet"
        after-install = "snippet"
        after-start = "snippet"
        before-remove = "snippet"
        after-remove = "snippet"
        purge = "snippet"
        [distro.ubuntu18.service.credentials]
        tls = ""
        [distro.el7.service.credentials]
        tls = ""
        [[unit]]
        name = "hello-other.socket"
        content = "[Socket]\\nListenStream=80\\n[Install]\\nWantedBy=sockets.target\\n"
        [[unit]]
        name = "hello-backup.timer"
        content = "[Timer]\\nOnCalendar=daily\\n"
        [[obsolete]]
        path = "/etc/hello/old.conf"
        version = "0.9"
        [[obsolete]]
        path = "/etc/hello/old2.conf"
        moved-to = "/etc/hello/new.conf"
        version = "0.9"
        [deploy]
        minimum = "1.0.0-rc.1"
        rpc = true
        pull = "5min"
        channel = "stable"
        window = "Fri-Sun,Wed 22:00-06:00"
        report = "s3://bucket/it+s/re(p)"
    """,
    "silent": """
        [service]
        enable = false
        on-upgrade = "none"
        sudo-service = true
        [service.directories]
        runtime = false
        [distribution]
        reach = "none"
        [migrations]
        function = "Hello.Release.migrate"
        when = "manual"
    """,
    "left alone": """
        [service]
        on-upgrade = "none"
        [[unit]]
        name = "hello.socket"
        content = "[Socket]\\nListenStream=80\\n[Install]\\nWantedBy=sockets.target\\n"
    """,
    "by hand": """
        [service]
        enable = false
        on-upgrade = "none"
        [[unit]]
        name = "hello.socket"
        content = "[Socket]\\nListenStream=80\\n[Install]\\nWantedBy=sockets.target\\n"
    """,
    "http": """
        [service]
        enable = false
        on-upgrade = "wait"
        [service.ready]
        http = "http://127.0.0.1:4000/health?a=1&b='2'"
        [distribution]
        reach = "cluster"
        interface = "10.0.0.5"
    """,
    "tcp": """
        [service]
        on-upgrade = "wait"
        deploy-user = "deploy"
        sudo = false
        [service.ready]
        tcp = 4000
        [helpers]
        s3 = "s3://bucket"
        [deploy]
        pull = "1h"
        report = "https://reports.example.org/it's?a=1&b=(2)"
    """,
    "root": """
        [service]
        user = "root"
        [service.directories]
        state = false
    """,
    "hot": """
        [service]
        on-upgrade = "hot"
        [service.ready]
        tcp = 4000
    """,
}


DISTROS = ["debian12", "ubuntu18", "el7", "fedora44"]


@pytest.fixture(scope="module")
def packages(
    hello_release: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Package]:
    """A package of each format with each of the settings."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "snippet").write_text('echo "snippet of $1"\n')
    found = {}
    with release.read(hello_release("1.0.0")) as hello:
        for name, text in SETTINGS.items():
            file = folder / f"{name}.toml"
            file.write_text(HEAD + text)
            for package in plan.packages(
                hello,
                load(file),
                select(DISTROS + ["leap15"] * (name == "everything")),
                plan.Options(),
            ):
                found[f"{name}-{package.distro}"] = package
    return found


def texts(package: Package) -> Iterator[tuple[str, str]]:
    """What pkgrel wrote into the package, by path."""
    for item in package.extra:
        if isinstance(item, File) and isinstance(item.content, Inline):
            data = item.content.data
            data = gzip.decompress(data) if item.path.suffix == ".gz" else data
            yield str(item.path), data.decode()


def scripts(package: Package) -> Iterator[tuple[str, str]]:
    own = package.scripts
    for name in own.__dataclass_fields__:
        if text := getattr(own, name):
            yield name, text
    for path, text in texts(package):
        if text.startswith("#!/bin/sh"):
            yield path.strip("/").replace("/", "-"), text


def run(*words: str | Path, **options) -> str:
    """The output of a tool that finds nothing wrong."""
    skip_unless(shutil.which(str(words[0])), f"{words[0]} is missing")
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def with_each_pair_of_lines(files: list[Path]) -> list[Path]:
    """As few as show each line behind each line that any has it behind: shellcheck takes seconds for all."""
    pairs = {}
    for file in files:
        lines = file.read_text().replace("hello-world.2+x", "hello").splitlines()
        stripped = [line.strip() for line in lines if line.strip()]
        pairs[file] = set(pairwise(stripped))
    chosen, seen = [], set()
    for file in sorted(files, key=lambda file: -len(pairs[file])):
        if not pairs[file] <= seen:
            chosen.append(file)
            seen |= pairs[file]
    return chosen


def test_every_script_is_clean(packages: dict[str, Package], tmp_path: Path) -> None:
    seen = set()
    for settings, package in packages.items():
        for name, text in scripts(package):
            if text not in seen:
                seen.add(text)
                (tmp_path / f"{settings}-{name}").write_text(text)
    files = sorted(tmp_path.iterdir())
    assert len(files) > 30
    # Where all is root's there is nothing to hand over, and nothing calls what does.
    of_root = [file for file in files if file.name.startswith("root-")]
    others = [file for file in files if file not in of_root]
    assert run("shellcheck", "--shell=sh", *with_each_pair_of_lines(others)) == ""
    options = ("--shell=sh", "--exclude=SC2317")
    assert run("shellcheck", *options, *with_each_pair_of_lines(of_root)) == ""
    for file in files:
        assert run("dash", "-n", file) == run("bash", "--posix", "-n", file) == ""


def test_sudo_accepts_every_sudoers_file(packages: dict[str, Package], tmp_path: Path) -> None:
    shown = {}
    for settings, package in packages.items():
        for path, text in texts(package):
            if path.startswith("/etc/sudoers.d/"):
                shown[settings] = text
                file = tmp_path / settings
                file.write_text(text)
                file.chmod(0o440)
                run("visudo", "--check", "--strict", f"--file={file}")
    assert {name.partition("-")[0] for name in shown} == {"everything", "silent"}
    users = set(re.findall(r"^(\S+) ALL", shown["everything-debian12"], re.MULTILINE))
    assert users == {"hello", "deploy"}
    assert "*" not in "".join(shown.values())


def test_the_manual_page_is_right(packages: dict[str, Package], tmp_path: Path) -> None:
    for settings, package in packages.items():
        [(path, text)] = [found for found in texts(package) if "/man/man1/" in found[0]]
        file = tmp_path / f"{settings}.1"
        file.write_text(text)
        assert path == f"/usr/share/man/man1/{package.name}.1.gz"
        warned = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file, env=_man_env())
        assert "warning" not in warned
        assert run("mandoc", "-Tlint", "-Wwarning", file) == ""
        shown = run("man", "-E", "UTF-8", "-l", "-Tutf8", file, env=_man_env(TERM="dumb"))
        flat = " ".join(re.sub(r".\x08|\x1b\[[0-9;]*m", "", shown).split())
        assert """Says "hello" \\ $HOME 'n' -- %h""" in flat


def _man_env(**more: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "200", **more}


VERBS = "start stop restart status logs upgrade rollback remote rpc pid eval version migrate config greet help"


def test_bash_completes(packages: dict[str, Package], tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(
        dict(texts(packages["everything-debian12"]))[
            "/usr/share/bash-completion/completions/hello-world.2+x"
        ]
    )
    script = """
    . "$1"
    read -ra found <<<"$(complete -p hello-world.2+x)"
    function=${found[2]}
    COMP_WORDS=(hello-world.2+x "$2") COMP_CWORD=1
    "$function"
    echo "${COMPREPLY[*]}"
    """
    for typed, wanted in (("re", "restart remote"), ("", VERBS), ("x", "")):
        found = run("bash", "-c", script, "bash", file, typed)
        assert found.split() == wanted.split()


def test_zsh_completes(packages: dict[str, Package], tmp_path: Path) -> None:
    for distro, folder in (("debian12", "vendor-completions"), ("fedora44", "site-functions")):
        text = dict(texts(packages[f"plain-{distro}"]))[f"/usr/share/zsh/{folder}/_hello"]
        (tmp_path / "_hello").write_text(text)
        run("zsh", "-n", tmp_path / "_hello")
    # zsh takes it for hello's and loads it.
    script = "fpath=($1 $fpath); autoload -U compinit; compinit -u -D; echo $_comps[hello]"
    assert run("zsh", "-f", "-c", script, "zsh", tmp_path) == "_hello\n"


def test_help_has_the_commands_of_the_release_s_own_script(
    relx_release: Path, distillery_release: Path, tmp_path: Path
) -> None:
    script = """
        EXTENSIONS="greet|status|$(touch x)|undefined"
    """.replace("        ", "")
    extended = releases.changed(relx_release, tmp_path / "x.tar.gz", {"bin/relx_nif": script})
    everywhere = {"remote_console", "rpc", "eval", "ping", "pid"}
    for tarball, reach, wanted in (
        (extended, "loopback", everywhere | {"greet"}),
        (extended, "none", {"greet"}),
        (distillery_release, "loopback", everywhere),
    ):
        file = tmp_path / "pkgrel.toml"
        file.write_text(f'{HEAD}[distribution]\nreach = "{reach}"\n')
        with release.read(tarball) as read:
            package = next(
                iter(plan.packages(read, load(file), select(["debian12"]), plan.Options()))
            )
            found = dict(texts(package))
        wrapper = tmp_path / "wrapper"
        wrapper.write_text(found[f"/usr/bin/{package.name}"])
        listed = run("sh", wrapper, "help").splitlines()[2:]
        names = [word.strip(",") for line in listed for word in line.split()[:1]]
        ours = {"start", "logs", "upgrade", "rollback", "config", "anything"}
        assert set(names) == ours | wanted
        page = tmp_path / f"{package.name}.1"
        page.write_text(found[f"/usr/share/man/man1/{package.name}.1.gz"])
        assert run("mandoc", "-Tlint", "-Wwarning", page) == ""
        completion = found[f"/usr/share/bash-completion/completions/{package.name}"]
        assert " ".join(n for n in names if n in wanted) in completion


def test_a_command_of_the_release_may_be_the_migration(
    relx_release: Path, distillery_release: Path, tmp_path: Path
) -> None:
    script = 'EXTENSIONS="greet|undefined"\n'
    extended = releases.changed(relx_release, tmp_path / "x.tar.gz", {"bin/relx_nif": script})
    file = tmp_path / "pkgrel.toml"

    def wrapper(tarball: Path, function: str) -> str:
        file.write_text(f'{HEAD}[migrations]\nfunction = "{function}"\nwhen = "manual"\n')
        with release.read(tarball) as read:
            document = load(file)
            package = next(iter(plan.packages(read, document, select(["el9"]), plan.Options())))
            return dict(texts(package))[f"/usr/bin/{package.name}"]

    assert "migrate)\n    set -- greet\n" in wrapper(extended, "greet")
    assert "migrate)\n    set -- whoami\n" in wrapper(distillery_release, "whoami")
    for tarball, known in ((extended, "it has `greet`"), (distillery_release, "it has `whoami`")):
        with pytest.raises(PlanError, match="the release has no command `migrate`") as refused:
            wrapper(tarball, "migrate")
        assert known in (refused.value.hint or "")


def test_only_what_is_used_is_asked_for(packages: dict[str, Package]) -> None:
    def names(settings: str, field: str) -> set[str]:
        relations = getattr(packages[settings].relations, field)
        own = {"jq", "awscli", "curl", "sudo"}
        return {
            item.name
            for item in relations
            if item.name.removeprefix("/usr/bin/") in own or item.name == "/usr/bin/aws"
        }

    for distro in ("debian12", "fedora44"):
        assert names(f"plain-{distro}", "depends") == set()
        assert names(f"plain-{distro}", "recommends") == set()
    assert names("everything-debian12", "depends") == {"jq", "sudo"}
    assert names("everything-debian12", "recommends") == {"awscli"}
    assert names("everything-fedora44", "depends") == {"/usr/bin/jq", "/usr/bin/sudo"}
    assert names("everything-fedora44", "recommends") == {"/usr/bin/aws"}
    assert names("http-debian12", "depends") == {"curl"}
    assert names("http-fedora44", "depends") == {"/usr/bin/curl"}
    assert names("tcp-debian12", "depends") == set()
    # A report by HTTP is sent with curl, and one that is not sent stops nothing.
    assert names("tcp-debian12", "recommends") == {"awscli", "curl"}
    assert names("silent-debian12", "depends") == {"sudo"}


# The maintainer scripts on a host that is not booted.

HOST = """
[service]
deploy-user = "deploy"
extra-groups = ["audio"]
[service.directories]
cache = true
logs = true
tmp = true
[secrets]
generate = ["SECRET_KEY_BASE"]
"""
LOOKED_AT = ("etc", "var/lib/hello", "var/cache/hello", "var/log/hello")
# dpkg's and the packages' own backups of account files change whenever they run.
NOT = ("/passwd-", "/shadow-", "/group-", "/gshadow-")


@pytest.fixture(scope="module")
def root() -> Iterator[Root]:
    reason = impossible()
    skip_unless(not reason, reason)
    with private_root() as made:
        made.run("rm", "-f", "/var/lib/man-db/auto-update")
        yield made


def tree(root: Root) -> dict[str, str]:
    # Owners are those of the root's own /etc/passwd, which this process cannot look up.
    paths = [f"/{path}" for path in LOOKED_AT]
    lines = root.ok("find", *paths, "-printf", "%p %y %m %U %G %l %T@ %i\\n").splitlines()
    return {line.split()[0]: line for line in lines if not line.split()[0].endswith(NOT)}


def test_maintainer_scripts_twice_change_nothing(
    root: Root, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    artifacts = Artifacts(tmp_path)
    deb = tmp_path / artifacts.build(hello_release("1.0.0"), "debian12", HOST)
    shutil.copy(deb, root.path / "tmp/hello.deb")
    root.ok("dpkg", "--install", "--force-depends", "/tmp/hello.deb")
    before = tree(root)
    assert "/var/cache/hello/tmp" in before
    assert "audio" in root.ok("id", "-Gn", "hello").split()
    for arguments in (
        ("preinst", "upgrade", "1.0.0-1", "1.0.0-1"),
        ("postinst", "configure", "1.0.0-1"),
        ("postinst", "abort-upgrade", "1.0.1-1"),
        ("postinst", "abort-remove"),
        ("postinst", "abort-deconfigure", "in-favour", "x", "1"),
        ("prerm", "upgrade", "1.0.1-1"),
        ("prerm", "failed-upgrade", "1.0.0-1", "1.0.1-1"),
        ("postrm", "upgrade", "1.0.1-1"),
        ("postrm", "failed-upgrade", "1.0.0-1", "1.0.1-1"),
        ("postrm", "abort-install"),
        ("postrm", "abort-upgrade", "1.0.0-1", "1.0.1-1"),
        ("postrm", "disappear", "other", "1"),
    ):
        name, *rest = arguments
        done = root.run(
            f"/var/lib/dpkg/info/hello.{name}",
            *rest,
            env={"DPKG_MAINTSCRIPT_PACKAGE": "hello", "DPKG_MAINTSCRIPT_NAME": name},
        )
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert tree(root) == before, arguments
    # No systemd runs here: a first start makes the secrets.
    assert "/etc/hello/secrets" not in before


def test_a_link_that_the_service_planted_is_not_followed(root: Root) -> None:
    victim = root.path / "etc/victim"
    victim.write_text("keep\n")
    root.ok("rm", "-rf", "/var/cache/hello", "/var/log/hello")
    root.ok("ln", "-s", "/etc/victim", "/var/cache/hello")
    root.ok("ln", "-s", "/etc/newly-made", "/var/log/hello")
    before = root.ok("stat", "--format=%U:%G %a", "/etc/victim")
    root.run(
        "/var/lib/dpkg/info/hello.postinst",
        "configure",
        "1.0.0-1",
        env={"DPKG_MAINTSCRIPT_PACKAGE": "hello", "DPKG_MAINTSCRIPT_NAME": "postinst"},
    )
    assert root.ok("stat", "--format=%U:%G %a", "/etc/victim") == before
    assert not (root.path / "etc/newly-made").exists()


def test_purge_leaves_the_host_as_it_was_but_for_the_user(root: Root) -> None:
    root.ok("dpkg", "--purge", "hello")
    assert (root.path / "etc/victim").read_text() == "keep\n"
    for path in ("etc/hello", "var/lib/hello", "var/cache/hello", "var/log/hello", "usr/lib/hello"):
        assert not (root.path / path).exists(), path
    assert root.ok("getent", "passwd", "hello").endswith(":/usr/sbin/nologin\n")
