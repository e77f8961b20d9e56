"""The plan: what is in a package, who owns it, what runs on the host."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from pkgrel import plan, release
from pkgrel.config import Document, load
from pkgrel.content import Inline
from pkgrel.distro import distros, select
from pkgrel.errors import ConfigError, PkgrelError
from pkgrel.package import Directory, Entry, File, Package
from pkgrel.release.model import Release
from tests.conftest import skip_unless

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n'


@pytest.fixture(scope="module")
def hello(hello_release: Callable[[str], Path]) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        yield read


@pytest.fixture
def make(hello: Release, tmp_path: Path) -> Callable[..., tuple[Package, ...]]:
    """Plan packages of the hello release with a pkgrel.toml of this text."""

    def _make(*names: str, text: str = "") -> tuple[Package, ...]:
        file = tmp_path / "pkgrel.toml"
        file.write_text(MINIMAL + text)
        return plan.packages(hello, load(file), select(names), plan.Options())

    return _make


def entry(package: Package, path: str) -> Entry:
    [found] = [entry for entry in package.entries if entry.path == PurePosixPath(path)]
    return found


def text(package: Package, path: str) -> str:
    file = entry(package, path)
    assert isinstance(file, File)
    assert isinstance(file.content, Inline)
    return file.content.data.decode()


def test_everything_of_the_release_but_the_cookie_travels(hello: Release, make) -> None:
    [package] = make("debian12")
    planned = {
        str(item.path.relative_to("/usr/lib/hello"))
        for item in package.tree
        if item.path.is_relative_to("/usr/lib/hello")
    }
    assert planned - {"."} == {item.path for item in hello.entries} - {"releases/COOKIE"}


def test_the_service_cannot_change_its_code_and_only_it_reads_its_secrets(make) -> None:
    [package] = make("debian12")
    for item in package.tree:
        if isinstance(item, File | Directory):
            assert item.owner == "root"
            assert not item.mode & 0o022, item.path
    config = entry(package, "/usr/lib/hello/releases/1.0.0/sys.config")
    assert (config.mode, config.group) == (0o640, "hello")
    runtime = entry(package, "/usr/lib/hello/releases/1.0.0/runtime.exs")
    assert (runtime.mode, runtime.group) == (0o640, "hello")
    [package] = make("el9")
    settings = entry(package, "/etc/hello/environment")
    assert (settings.mode, settings.group, settings.conffile) == (0o640, "hello", True)


def test_every_parent_is_there_and_only_the_package_s_own_are_owned(make) -> None:
    for package in make("debian12", "el9", text='prefix = "/opt/example"\n'):
        paths = {item.path for item in package.entries}
        assert all(parent in paths for path in paths for parent in path.parents)
        assert len(paths) == len(list(package.entries))
        owned = {
            str(item.path)
            for item in package.entries
            if isinstance(item, Directory) and not item.shared
        }
        outside = {path for path in owned if not path.startswith("/opt/example/hello")}
        assert outside == {
            "/opt/example",
            "/etc/hello",
            "/usr/libexec/hello",
            "/usr/share/doc/hello",
        }


def test_distros_of_one_layout_share_the_tree(make) -> None:
    trees = {
        id(package.tree) for package in make("debian11", "debian12", "ubuntu24", "el9", "fedora44")
    }
    assert len(trees) == 1


def test_own_files_with_their_modes_and_templates(make, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "a.conf").write_text("a")
    (tmp_path / "etc" / "b.conf").write_text("b")
    script = tmp_path / "backup"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    [package] = make(
        "debian12",
        text="""
        [[file]]
        source = "etc/*.conf"
        path = "/etc/hello/conf.d/"
        group = "hello"
        mode = "0640"
        [[file]]
        source = "backup"
        path = "/usr/libexec/hello/"
        [[file]]
        content = "state = {{ state }} of {{ version }}"
        template = true
        path = "/usr/share/hello/paths"
        """,
    )
    config = entry(package, "/etc/hello/conf.d/b.conf")
    assert (config.mode, config.group, config.conffile) == (0o640, "hello", True)
    assert (
        entry(package, "/usr/libexec/hello/backup").mode,
        text(package, "/usr/share/hello/paths"),
    ) == (
        0o755,
        "state = /var/lib/hello of 1.0.0",
    )


REFUSED = [
    ('[[file]]\ncontent = "x"\npath = "/usr/bin/hello"', "would be in the package twice"),
    ('[[file]]\ncontent = "x"\npath = "/usr/bin/hello/x"', "which is not a directory"),
    ('[[file]]\ncontent = "x"\npath = "usr/x"', "must be an absolute path"),
    ('[[file]]\ncontent = "x"\npath = "/usr/../etc/passwd"', "must be an absolute path"),
    ('[[file]]\nsource = "nowhere"\npath = "/x"', "No such file or directory"),
    ('[[file]]\nsource = "*.none"\npath = "/x/"', "matches no file"),
    ('[[file]]\npath = "/x"', "either `source` or `content`"),
    ('[[file]]\ncontent = "x"\npath = "/x"\nmode = "0999"', "permissions in octal"),
    ('[[file]]\ncontent = "{{ nme }}"\ntemplate = true\npath = "/x"', "'nme' is undefined"),
    ('exclude = ["lib/none-*"]', "matches no file of the release"),
    ('depends = ["a b c"]', "is not a relation to a package"),
    ('depends = ["a (=> 1)"]', "is not a relation to a package"),
    ('prefix = "opt"', "must be an absolute path"),
    ('name = "Hello"', "must be the name of a package"),
    ('revision = "1-2"', "must be letters, digits"),
    ('changelog = "none.md"', "No such file or directory"),
    ('[service]\nuser = "Hello World"', "a name of at most 31 lower case"),
    ("[service]\nrestart-steps = 5", "do nothing alone"),
    ("[service]\nrestart-max-delay-sec = 60", "do nothing alone"),
    ("[service]\nrestart-steps = 5\nrestart-max-delay-sec = 5", "must be above `restart-sec`"),
    (
        "[service.ready]\ntcp = 4000",
        '`service.ready.tcp` does nothing with `on-upgrade = "restart"`',
    ),
    ('[service]\non-upgrade = "wait"', "has nothing to wait for"),
    (
        '[service]\non-upgrade = "wait"\n[service.ready]\nrpc = "true"\n[distribution]\nreach = "none"',
        "`service.ready.rpc` asks the running system",
    ),
    (
        '[[unit]]\nname = "a.service"\nenable = true\ncontent = "[Service]\\n"',
        r"`unit\[0\].enable`: nothing can enable a.service",
    ),
    (
        '[[unit]]\nname = "a@.service"\nenable = true\ncontent = "[Install]\\n"',
        r"`unit\[0\].enable`: nothing can enable a@.service",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), REFUSED)
def test_contradictions_are_refused(make, wrong: str, message: str) -> None:
    with pytest.raises(PkgrelError, match=message) as caught:
        make("debian12", text=wrong)
    # What is about a setting says where that is.
    assert not re.match(r"`[a-z-]+[.\[]", str(caught.value))


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ('[deb]\ndepends = ["a b c"]', 4),
        ('[distro.bookworm.package]\nconflicts = ["a b c"]', 4),
        ('[service]\nsudo = false\n[service.sandbox]\nProtectHom = "yes"', 6),
    ],
)
def test_an_override_is_named_by_its_own_line(make, wrong: str, line: int) -> None:
    with pytest.raises(PkgrelError, match=rf"/pkgrel\.toml:{line}: `"):
        make("debian12", text=wrong)


def test_what_can_be_enabled_is_enabled(make) -> None:
    install = "[Install]\\nWantedBy=multi-user.target\\n"
    own = "".join(
        f'[[unit]]\nname = "{name}"\ncontent = "{content}"\n{enable}'
        for name, content, enable in (
            ("hello-a.service", install, ""),
            ("hello-b.service", install, "enable = false\n"),
            ("hello-e.service", "  " + install, ""),
            ("hello-c.service", "[Service]\\nExecStart=/bin/true\\n", ""),
            ("hello-d@.service", install, ""),
        )
    )
    for package in make("debian12", "fedora44", text=own):
        scripts = package.scripts
        start = scripts.after_transaction or scripts.after_install
        assert "start_unit hello-a.service restart\n" in start
        # Blanks around a line do not count for systemd.
        assert "start_unit hello-e.service restart\n" in start
        # Of the others only the start limit is reset.
        (others,) = re.findall(r".*hello-[bcd].*", start)
        assert others.startswith("    systemctl reset-failed ")
        assert "hello-b.service hello-c.service 'hello-d@*.service'" in scripts.before_remove


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ('user = "web"', ""),
        ('user = "root"', "`low-ports = true`"),
        ('type = "notify"', "a start never ends"),
        ("watchdog-sec = 30", "kills it again and again"),
    ],
)
def test_what_is_probably_not_meant_is_worth_a_word(
    hello: Release, tmp_path: Path, setting: str, word: str
) -> None:
    file = tmp_path / "pkgrel.toml"
    file.write_text(f'{MINIMAL}name = "hello-web"\n[service]\n{setting}\n')
    [draft] = plan.drafts(hello, load(file), select(["debian12"]), plan.Options())
    assert len(draft.warnings) == bool(word)
    assert word in "".join(draft.warnings)


def test_the_maintainer_must_be_given(hello: Release, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no pkgrel\.toml here or above") as refused:
        plan.packages(hello, Document(), select(["el9"]), plan.Options())
    assert "pkgrel init" in (refused.value.hint or "")
    file = tmp_path / "pkgrel.toml"
    file.write_text("[package]\n")
    with pytest.raises(ConfigError, match="has no maintainer") as refused:
        plan.packages(hello, load(file), select(["el9"]), plan.Options())
    assert refused.value.hint == 'add to [package]: maintainer = "Your Name <you@example.com>"'


def test_directories_of_a_tmpfiles_file_are_there_before_the_start(make) -> None:
    own = """
    [service]
    restart-method = "flag"
    [[file]]
    path = "/usr/lib/tmpfiles.d/uploads.conf"
    content = "d /srv/uploads 0750 hello hello -"
    """
    for package in make("debian12", "fedora44", text=own):
        script = package.scripts.after_transaction or package.scripts.after_install
        made = script.index("create_tmpfiles hello.conf uploads.conf")
        assert made < script.index("start_unit hello.service")
    for package in make("debian12", "fedora44"):
        script = package.scripts.after_transaction or package.scripts.after_install
        assert "systemd-tmpfiles" not in script


def test_accounts_are_what_sysusers_makes_of_them(make, tmp_path: Path) -> None:
    skip_unless(_has("systemd-sysusers"), "systemd-sysusers is missing")

    def made(settings: str) -> dict[str, str]:
        """User and shell on a system that has none yet."""
        [package] = make("debian12", text=settings)
        folder = tmp_path / "root/usr/lib/sysusers.d"
        folder.mkdir(parents=True)
        (tmp_path / "root/etc").mkdir()
        (folder / "hello.conf").write_text(text(package, "/usr/lib/sysusers.d/hello.conf"))
        subprocess.run(["systemd-sysusers", f"--root={tmp_path / 'root'}"], check=True)
        passwd = tmp_path / "root/etc/passwd"
        lines = passwd.read_text().splitlines() if passwd.exists() else []
        shutil.rmtree(tmp_path / "root")
        return {line.split(":")[0]: line.split(":")[-1] for line in lines}

    both = '[service]\nuser = "web"\ngroup = "www"\ndeploy-user = "deploy"\n'
    assert made(both) == {"web": "/usr/sbin/nologin", "deploy": "/bin/sh"}
    # Root is the system's own and keeps its shell.
    assert made('[service]\nuser = "root"\n') == {}


def test_zstd_is_not_forced_on_who_cannot_read_it(make) -> None:
    with pytest.raises(ConfigError, match="cannot be trusted to read zstd"):
        make("debian11", text='compression = "zstd"')
    assert [package.compression for package in make("debian11", "debian12", "el8")] == [
        "xz",
        "zstd",
        "xz",
    ]


def test_what_is_excluded_stays_behind(make) -> None:
    [package] = make("el9", text='exclude = ["erts-*/bin/erlc", "lib/hello-*"]')
    paths = {str(item.path) for item in package.tree}
    assert not [path for path in paths if path.endswith("/erlc") or "/lib/hello-" in path]
    assert [path for path in paths if path.endswith("/bin/erlexec")]


def test_the_changelog_may_be_what_git_knows(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True)

    with pytest.raises(ConfigError, match=r"`package.changelog`: .*not a git repository"):
        make("debian12", text='changelog = "git"')
    git("init", "--initial-branch=main")
    for subject in ("Begin", "Serve pages", "Serve *faster*", "Not released yet"):
        git("commit", "--allow-empty", f"--message={subject}")
        if subject.startswith("Serve"):
            git("tag", "v0.9" if "pages" in subject else "v1.0.0-rc.1")
    monkeypatch.setenv("GIT_DIR", ".git/of/a/hook")
    [package] = make("debian12", text='changelog = "git"')
    assert [(change.version, change.lines) for change in package.changelog] == [
        ("1.0.0-1~debian12", ("Not released yet",)),
        ("1.0.0-rc.1", ("Serve *faster*",)),
        ("0.9", ("Serve pages", "Begin")),
    ]


def test_the_changelog_from_git_survives_odd_subjects(make, tmp_path: Path) -> None:
    def git(*words: str, text: str = "") -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        command = ["git", "-C", tmp_path, *who, *words]
        subprocess.run(command, check=True, capture_output=True, input=text.encode())

    commit = ("commit", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "--file=-")
    git("init")
    git("config", "i18n.logOutputEncoding", "ISO-8859-1")
    for text in (
        "",
        "line\u2028separator",
        "form\ffeed, \x1b[31mred",
        "\u00f6f Windows\r\n\r\nMore\r\n",
    ):
        git(*commit, text=text)
    [package] = make("el9", text='changelog = "git"')
    [change] = package.changelog
    assert change.lines == ("\u00f6f Windows", "form feed, red", "line separator")


def test_the_changelog_is_the_user_s(make, tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## Unreleased\n- not yet\n\n## [1.0.0] - 2026-01-31\n### Added\n"
        "- A greeting\n  of two lines\n- Health check\n\n## 0.9.0 - 2025-12-01\nFirst.\n"
    )
    [package] = make("el9", text='changelog = "CHANGELOG.md"')
    assert [(change.version, change.lines) for change in package.changelog] == [
        ("1.0.0-1.el9", ("A greeting of two lines", "Health check")),
        ("0.9.0", ("First.",)),
    ]


ALL = list(distros())


def test_shell_scripts_are_clean(make, tmp_path: Path) -> None:
    """Those of all distros: what has the same text is read once."""
    skip_unless(_has("shellcheck"), "shellcheck is missing")
    names: dict[str, str] = {}
    for distro in ALL:
        [package] = make(distro)
        scripts = {
            "before_install": package.scripts.before_install,
            "after_install": package.scripts.after_install,
            "before_remove": package.scripts.before_remove,
            "after_remove": package.scripts.after_remove,
            "after_transaction": package.scripts.after_transaction,
            "wrapper": text(package, "/usr/bin/hello"),
        }
        for name, script in scripts.items():
            if script and script not in names:
                names[script] = f"{distro}-{name}"
                (tmp_path / names[script]).write_text(script)
    assert len(names) < len(ALL) * 3
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "--external-sources", *names.values()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    for name in names.values():
        subprocess.run(["dash", "-n", name], cwd=tmp_path, check=True)


def _has(tool: str) -> bool:
    return subprocess.run(["which", tool], capture_output=True).returncode == 0


@pytest.mark.parametrize("distro", ["el7", "el8", "debian11", "debian12", "ubuntu24", "debian14"])
def test_units(make, distro: str, golden: Callable[[str, str], None]) -> None:
    [package] = make(distro)
    [path] = [str(item.path) for item in package.extra if item.path.name == "hello.service"]
    golden(f"unit/{distro}.service", text(package, path))


@pytest.mark.parametrize("distro", ["debian12", "el9"])
def test_scripts(make, distro: str, golden: Callable[[str, str], None]) -> None:
    [package] = make(distro)
    golden(f"scripts/{distro}.after-install", package.scripts.after_install)
    golden(f"scripts/{distro}.wrapper", text(package, "/usr/bin/hello"))
