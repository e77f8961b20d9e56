"""`pkgrel check`: each rule finds its problem in both formats, and nothing in correct packages."""

import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pkgrel import check, distro
from pkgrel.content import Inline
from pkgrel.errors import PackageError, PkgrelError
from pkgrel.formats import deb, rpm
from pkgrel.formats.payload import Payloads
from pkgrel.package import (
    Compression,
    Directory,
    Entry,
    File,
    Format,
    MaintainerScripts,
    Package,
    Symlink,
    Version,
)
from pkgrel.rpm_tags import Tag
from tests import native_code, releases, rpm_forgery
from tests.artifacts import Artifacts
from tests.conftest import skip_unless
from tests.packages import CONTROL, by_rpmbuild
from tests.tools import PKGREL, need, pkgrel, run

RELEASE = "/usr/lib/hello-web"
UNIT = "/usr/lib/systemd/system/hello-web.service"
SUDOERS = "/etc/sudoers.d/hello-web"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n"
# Not a whole release: what makes one of it.
START_DATA = (f"{RELEASE}/releases/start_erl.data", "13.1.5 1.0.0\n")


def file(path: str, text: str = "text\n", mode: int = 0o644, **more) -> File:
    return File(path=PurePosixPath(path), content=Inline(text.encode()), mode=mode, **more)


def sound_release() -> tuple[Entry, ...]:
    return (
        file(*START_DATA),
        file(f"{RELEASE}/releases/1.0.0/hello-web.rel"),
        file(f"{RELEASE}/releases/1.0.0/vm.args", "-setcookie ${RELEASE_COOKIE}\n"),
        file(f"{RELEASE}/erts-13.1.5/bin/beam.smp", mode=0o755),
    )


def package(
    folder: Path,
    format: Format,
    entries: Sequence[Entry],
    scripts: MaintainerScripts | None = None,
    compression: Compression = Compression.GZIP,
    architecture: str = "x86_64",
    name: str = "hello-web",
) -> Path:
    """A package of these entries and the folders above them."""
    paths = {entry.path for entry in entries}
    folders = {p for path in paths for p in path.parents} - paths - {PurePosixPath("/")}
    made = Package(
        format=format,
        distro="",
        name=name,
        version=Version(upstream="1.0.0", revision="1"),
        architecture=architecture,
        summary="A package",
        description="It has what somebody put into it.",
        license="Apache-2.0",
        maintainer="Test <test@example.org>",
        tree=tuple(
            sorted((*entries, *(Directory(path=p) for p in folders)), key=lambda e: str(e.path))
        ),
        extra=(),
        scripts=scripts or MaintainerScripts(),
        build_time=1_700_000_000,
        compression=compression,
    )
    module = deb if format is Format.DEB else rpm
    path = folder / module.file_name(made)
    with path.open("wb") as out, Payloads() as payloads:
        module.write(made, out, payloads)
    return path


def found(path: Path, target: str = "") -> dict[str, list[check.Finding]]:
    """Findings by rule."""
    row = distro.find(target) if target else None
    by_rule: dict[str, list[check.Finding]] = {}
    for finding in check.package(path, lambda _: row).findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return by_rule


def service(*lines: str) -> str:
    return "\n".join(["[Unit]", "Description=Hello", "[Service]", "User=hello-web", *lines, ""])


# rule, path of the finding, a word that it says, entries
BROKEN = [
    ("cookie-file", f"{RELEASE}/releases/COOKIE", "cookie", [file(f"{RELEASE}/releases/COOKIE")]),
    (
        "cookie-setting",
        f"{RELEASE}/releases/1.0.0/vm.args",
        "-setcookie",
        [file(f"{RELEASE}/releases/1.0.0/vm.args", "+K true\n-setcookie abc\n")],
    ),
    (
        "cookie-setting",
        f"{RELEASE}/releases/1.0.0/env.sh",
        "RELEASE_COOKIE",
        [*sound_release(), file(f"{RELEASE}/releases/1.0.0/env.sh", "export RELEASE_COOKIE=abc\n")],
    ),
    (
        "private-key",
        "/etc/hello-web/tls.pem",
        "key",
        [file("/etc/hello-web/tls.pem", KEY, conffile=True)],
    ),
    ("env-file", f"{RELEASE}/.env", "environment", [file(f"{RELEASE}/.env")]),
    ("env-file", f"{RELEASE}/.env.prod", "environment", [file(f"{RELEASE}/.env.prod")]),
    (
        "readable-secret",
        f"{RELEASE}/releases/1.0.0/sys.config",
        "`secret_key_base`",
        [
            file(
                f"{RELEASE}/releases/1.0.0/sys.config", '[{a,[{secret_key_base,<<"aB3dE6gH9">>}]}].'
            )
        ],
    ),
    (
        "readable-secret",
        "/etc/hello-web/environment",
        "`DB_PASSWORD`",
        [file("/etc/hello-web/environment", 'DB_PASSWORD="correct-horse"\n', conffile=True)],
    ),
    ("set-id", "/usr/bin/hello-web", "runs as root", [file("/usr/bin/hello-web", mode=0o4755)]),
    ("set-id", "/usr/bin/hello-web", "the group root", [file("/usr/bin/hello-web", mode=0o2755)]),
    ("world-writable", "/usr/bin/hello-web", "0777", [file("/usr/bin/hello-web", mode=0o777)]),
    (
        "world-writable",
        "/var/lib/hello-web",
        "every user",
        [Directory(path=PurePosixPath("/var/lib/hello-web"), mode=0o777)],
    ),
    (
        "open-folder",
        "/usr/lib/tmpfiles.d/hello-web.conf",
        "`/run/hello-web`",
        [
            file(
                "/usr/lib/tmpfiles.d/hello-web.conf",
                "# 0777\nd! /run/hello-web 0777 hello-web hello-web -\n",
            )
        ],
    ),
    ("unknown-owner", "/usr/bin/hello-web", "`ada`", [file("/usr/bin/hello-web", owner="ada")]),
    ("unknown-owner", "/usr/bin/hello-web", "`1000`", [file("/usr/bin/hello-web", group="1000")]),
    (
        "replaceable-code",
        f"{RELEASE}/bin/hello-web",
        "www-data",
        [*sound_release(), file(f"{RELEASE}/bin/hello-web", owner="www-data")],
    ),
    (
        "system-folder",
        "/usr/bin",
        "0700",
        [Directory(path=PurePosixPath("/usr/bin"), mode=0o700), file("/usr/bin/hello-web")],
    ),
    ("etc-not-conffile", "/etc/hello-web.conf", "upgrade", [file("/etc/hello-web.conf")]),
    ("place-of-others", "/run/hello-web/x", "empty", [file("/run/hello-web/x")]),
    ("place-of-others", "/usr/local/bin/x", "administrator", [file("/usr/local/bin/x")]),
    (
        "duplicate-path",
        "/usr/bin/hello-web",
        "`/bin/hello-web`",
        [file("/bin/hello-web"), file("/usr/bin/hello-web")],
    ),
    (
        "link-to-builder",
        f"{RELEASE}/lib/a",
        "/home/ada",
        [Symlink(path=PurePosixPath(f"{RELEASE}/lib/a"), target="/home/ada/a")],
    ),
    (
        "dangling-link",
        "/usr/bin/hello-web",
        "not in the package",
        [
            Symlink(
                path=PurePosixPath("/usr/bin/hello-web"), target="../lib/hello-web/bin/hello-web"
            )
        ],
    ),
    (
        "absolute-link",
        f"{RELEASE}/current",
        "absolute",
        [
            *sound_release(),
            Symlink(path=PurePosixPath(f"{RELEASE}/current"), target=f"{RELEASE}/releases/1.0.0"),
        ],
    ),
    ("taken-path", "/etc/profile/x", "a file", [file("/etc/profile/x", conffile=True)]),
    ("taken-path", "/etc/hosts", "every host", [file("/etc/hosts", conffile=True)]),
    ("taken-path", "/bin/users", "coreutils", [file("/bin/users", mode=0o755)]),
    ("taken-path", "/etc/pam.d/su", "every host", [file("/etc/pam.d/su", conffile=True)]),
    (
        "taken-directory",
        UNIT,
        "`RuntimeDirectory=user`",
        [file(UNIT, service("RuntimeDirectory=hello-web user"))],
    ),
    (
        "taken-directory",
        UNIT,
        "`LogsDirectory=journal/hello-web`",
        [file(UNIT, service("LogsDirectory=journal/hello-web"))],
    ),
    ("taken-account", UNIT, "`Group=mail`", [file(UNIT, service("Group=mail"))]),
    (
        "taken-account",
        "/usr/lib/sysusers.d/hello-web.conf",
        "makes the account `mail`",
        [file("/usr/lib/sysusers.d/hello-web.conf", 'u mail - "Hello" /var/lib/hello-web\n')],
    ),
    (
        "shared-name",
        UNIT,
        "`StateDirectory=docker`",
        [file(UNIT, service("StateDirectory=docker"))],
    ),
    ("without-runtime", RELEASE, "erts", [file(*START_DATA)]),
    (
        "start-data",
        START_DATA[0],
        "runtime system 12.0",
        [*sound_release()[1:], file(START_DATA[0], "12.0 1.0.0")],
    ),
    (
        "start-data",
        START_DATA[0],
        "releases/2.0.0",
        [*sound_release()[1:], file(START_DATA[0], "13.1.5 2.0.0")],
    ),
    ("start-data", START_DATA[0], "``", [*sound_release()[1:], file(START_DATA[0], " ")]),
    (
        "leftover",
        f"{RELEASE}/bin/hello-web.bat",
        "Windows",
        [*sound_release(), file(f"{RELEASE}/bin/hello-web.bat")],
    ),
    (
        "leftover",
        f"{RELEASE}/releases/1.0.0/vm.args",
        "heart",
        [*sound_release()[:2], file(f"{RELEASE}/releases/1.0.0/vm.args", "-heart\n")],
    ),
    (
        "foreign-system",
        f"{RELEASE}/lib/a/priv/a.so",
        "macOS",
        [
            File(
                path=PurePosixPath(f"{RELEASE}/lib/a/priv/a.so"),
                content=Inline(b"\xcf\xfa\xed\xfe" * 9),
            )
        ],
    ),
    (
        "damaged-code",
        f"{RELEASE}/lib/a/priv/a.so",
        "too early",
        [
            File(
                path=PurePosixPath(f"{RELEASE}/lib/a/priv/a.so"), content=Inline(b"\x7fELF\x02\x01")
            )
        ],
    ),
    ("unit-root", UNIT, "root", [file(UNIT, "[Service]\nExecStart=/usr/bin/true\n")]),
    (
        "unit-program",
        UNIT,
        "not in",
        [file(UNIT, service(f"ExecStart={RELEASE}/bin/hello-web start"))],
    ),
    (
        "unit-program",
        UNIT,
        "not executable",
        [file(UNIT, service("ExecStart=/usr/bin/hello-web start")), file("/usr/bin/hello-web")],
    ),
    ("unit-directive", UNIT, "`ExceStart`", [file(UNIT, service("ExceStart=/usr/bin/true"))]),
    (
        "readable-environment",
        "/etc/hello-web/environment",
        "`hello-web.service`",
        [
            file(UNIT, service("EnvironmentFile=-/etc/hello-web/environment")),
            file("/etc/hello-web/environment", conffile=True),
        ],
    ),
    *(
        ("untrusted-file", UNIT, f"`{path}`", [file(UNIT, service(*lines))])
        for path, *lines in (
            (
                "/run/hello-web/env",
                "RuntimeDirectory=hello-web",
                "EnvironmentFile=-/run/hello-web/env",
            ),
            (
                "/var/run/hello-web/x",
                "RuntimeDirectory=a hello-web",
                "EnvironmentFile=/var/run/hello-web/x",
            ),
            ("/var/lib/x/y/k", "StateDirectory=x/y:z", "LoadCredential=k:/var/lib/x/y/k"),
            ("/var/cache/h/run", "CacheDirectory=h", "ExecStartPre=-+/var/cache/h/run --now"),
            ("/var/log/h/out", "LogsDirectory=h", "StandardOutput=append:/var/log/h/out"),
            ("/tmp/env", "EnvironmentFile=/tmp/env"),
            (
                *("/var/lib/h/pre", "StateDirectory=h", "PermissionsStartOnly=true"),
                "ExecStartPre=/var/lib/h/pre",
            ),
        )
    ),
    (
        "untrusted-file",
        UNIT,
        "`/opt/hello-web/.env.d/env`",
        [
            file(UNIT, service("EnvironmentFile=/opt/hello-web/.env.d/env")),
            Directory(path=PurePosixPath("/opt/hello-web"), owner="hello-web"),
        ],
    ),
    *(
        ("unit-secret", UNIT, says, [file(UNIT, service(line))])
        for line, says in (
            ('Environment=PORT=1 "DB_PASSWORD=abc"', "`DB_PASSWORD`"),
            ("Environment=DATABASE_URL=ecto://app:pw@db/app", "`ecto://` URL"),
            ("Environment=PORT=1 \\\n  API_TOKEN=abc", "`API_TOKEN`"),
            ("SetCredential=signing_key:abc", "`signing_key`"),
            ("ExecStart=/usr/bin/hello-web --db-password=abc", "`db-password`"),
        )
    ),
    (
        "unit-in-etc",
        "/etc/systemd/system/hello-web.service",
        "administrator",
        [file("/etc/systemd/system/hello-web.service", service(), conffile=True)],
    ),
    (
        "sudoers-syntax",
        SUDOERS,
        "sudo",
        [file(SUDOERS, "deploy ALL=(root NOPASSWD /bin/true\n", mode=0o440, conffile=True)],
    ),
    (
        "unit-secret",
        UNIT,
        "`DB_PASSWORD`",
        [file(UNIT, service("Environment=DB_PASSWORD=correct-horse"))],
    ),
    (
        "readable-secret",
        f"{RELEASE}/releases/1.0.0/env.sh",
        "`ecto://` URL",
        [
            file(
                f"{RELEASE}/releases/1.0.0/env.sh", "export DATABASE_URL=ecto://app:s3cret@db/app\n"
            )
        ],
    ),
    (
        "dangling-link",
        "/usr/bin/a",
        "itself",
        [Symlink(path=PurePosixPath("/usr/bin/a"), target="a")],
    ),
    (
        "unit-program",
        UNIT,
        "not executable",
        [
            file(UNIT, service(f"ExecStart={RELEASE}/current/bin/hello-web start")),
            Symlink(path=PurePosixPath(f"{RELEASE}/current"), target="v1/../v2"),
            Symlink(path=PurePosixPath(f"{RELEASE}/v2"), target=f"{RELEASE}/v3"),
            file(f"{RELEASE}/v3/bin/hello-web"),
        ],
    ),
    (
        "missing-variable",
        f"{RELEASE}/releases/1.0.0/runtime.exs",
        "needs `DATABASE_URL` (line 2)",
        [
            *sound_release(),
            file(
                f"{RELEASE}/releases/1.0.0/runtime.exs",
                '# DATABASE_URL\nSystem.fetch_env!("DATABASE_URL")\n',
            ),
            file("/etc/hello-web/environment", "# DATABASE_URL=\n", conffile=True),
        ],
    ),
    ("sudoers-mode", SUDOERS, "0644", [file(SUDOERS, conffile=True)]),
    (
        "sudoers-name",
        "/etc/sudoers.d/hello-web.conf",
        "passed over",
        [file("/etc/sudoers.d/hello-web.conf", mode=0o440, conffile=True)],
    ),
    (
        "sudoers-all",
        SUDOERS,
        "everything",
        [file(SUDOERS, "deploy ALL=(ALL:ALL) NOPASSWD: ALL\n", mode=0o440, conffile=True)],
    ),
    (
        "sudoers-all",
        SUDOERS,
        "everything",
        [
            file(
                SUDOERS,
                "deploy ALL = (root) NOPASSWD:SETENV: /bin/true, \\\n  ALL\n",
                mode=0o440,
                conffile=True,
            )
        ],
    ),
    (
        "sudoers-absent",
        SUDOERS,
        f"`{RELEASE}/bin/restart`",
        [
            file(
                SUDOERS, f"deploy ALL=(root) {RELEASE}/bin/restart now\n", mode=0o440, conffile=True
            )
        ],
    ),
    (
        "sudoers-replaceable",
        SUDOERS,
        "can replace",
        [
            file(SUDOERS, "Cmnd_Alias RUN = /usr/bin/hello-web\n", mode=0o440, conffile=True),
            file("/usr/bin/hello-web", mode=0o775),
        ],
    ),
]


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize(("rule", "path", "says", "entries"), BROKEN)
def test_each_rule_finds_its_own(tmp_path, format, rule, path, says, entries):
    if rule == "sudoers-syntax" and not shutil.which("visudo", path="/usr/sbin:/usr/bin"):
        pytest.skip("only sudo itself judges what it understands")
    by_rule = found(package(tmp_path, format, entries))
    hits = [finding for finding in by_rule.get(rule, ()) if finding.path == path]
    assert hits
    assert says in hits[0].what


def test_what_one_rule_says_of_a_release_no_other_says_again(tmp_path):
    """The secrets have rules of their own, and a node for this host alone may be meant."""
    version = f"{RELEASE}/releases/1.0.0"
    entries = [
        *(entry for entry in sound_release() if not str(entry.path).endswith("vm.args")),
        file(f"{RELEASE}/releases/COOKIE"),
        file(f"{RELEASE}/.env"),
        file(f"{version}/vm.args", "-setcookie abc\n-name hello@127.0.0.1\n"),
        file(f"{version}/env.sh", "export RELEASE_COOKIE=abc\n"),
    ]
    by_rule = found(package(tmp_path, Format.DEB, entries))
    assert {"cookie-file", "cookie-setting", "env-file"} <= by_rule.keys()
    assert "leftover" not in by_rule


def test_other_code_of_the_same_version_is_found_against_the_version_before(tmp_path):
    need(*releases.TOOLS["mix"])
    artifacts = Artifacts(tmp_path)
    hot = '[service]\non-upgrade = "hot"\n'
    old, new, bumped = (
        tmp_path / artifacts.build(release, "debian12", hot)
        for release in (
            releases.hot("1.0.0"),
            releases.hot("1.0.0", sources="1.1.0"),
            releases.hot("1.1.0", config="polite"),
        )
    )
    checked = pkgrel("check", new, "--against", old, "--strict")
    assert checked.returncode == 1
    assert "hot 1.0.0 has other code than hot 1.0.0: its version must change" in checked.stdout
    rule = "same-version-other-code"
    assert f"[{rule}]" in checked.stdout
    for words in ((bumped, "--against", old), (new,), (old, "--against", old)):
        assert rule not in pkgrel("check", *words).stdout


def test_rpm_format_6_is_for_rpm_6(tmp_path):
    path = tmp_path / "six.rpm"
    tags = {**rpm_forgery.valid(), Tag.RPMFORMAT: rpm_forgery.numbers(6)}
    path.write_bytes(rpm_forgery.rpm(rpm_forgery.header(tags, 63)))
    assert "not signed" in found(path, "el9")["package-format"][0].what
    assert "package-format" not in found(path, "fedora43")


def test_every_rule_is_tested():
    source = Path(__file__).read_text()
    assert [rule.id for rule in check.RULES if f'"{rule.id}"' not in source] == []


SOUND = [
    *sound_release(),
    file(f"{RELEASE}/bin/hello-web", "#!/bin/sh\n", mode=0o755),
    file(f"{RELEASE}/releases/1.0.0/env.sh", 'export RELEASE_COOKIE="${RELEASE_COOKIE:-x}"\n'),
    file(
        f"{RELEASE}/releases/1.0.0/sys.config",
        '[{a,[{secret_key_base,<<"aB3dE6gH9">>}]}].',
        mode=0o640,
        group="hello-web",
    ),
    file("/usr/share/doc/hello-web/environment.example", "PASSWORD=${PASSWORD}\nTOKEN=\n"),
    file(
        f"{RELEASE}/releases/1.0.0/runtime.exs",
        '# For example: ecto://USER:PASS@HOST/DATABASE\nsecret_key_base = System.fetch_env!("S")\n'
        'config :a, password: System.get_env("DB_PASSWORD")\nurl = "http://localhost:4000/a@b"\n',
    ),
    file(f"{RELEASE}/releases/1.0.0/run.sh", 'export DB_PASSWORD="$(cat /etc/pw)"\nSECRET=\n'),
    file("/etc/hello-web/tls.pem", KEY.replace("PRIVATE KEY", "CERTIFICATE"), conffile=True),
    file("/etc/hello-web/environment", "PORT=4000\n", mode=0o640, group="hello-web", conffile=True),
    file("/etc/default/hello-web", "PORT=4000\nS=1\n", conffile=True),
    file(
        UNIT,
        service(
            "EnvironmentFile=/etc/default/hello-web",
            "EnvironmentFile=-/etc/hello-web/environment",
            "Environment=SECRET_KEY_FILE=/run/secrets/key API_TOKEN=/run/secrets/token PUBLIC_KEY=abc",
            "RuntimeDirectory=hello-web",
            "PIDFile=/run/hello-web/hello-web.pid",
            "ExecStartPre=/run/hello-web/own",
            "EnvironmentFile=-/run/hello-web-other/env",
            "StandardError=journal",
            "# ExecStart=/usr/lib/hello-web/gone",
            "ExecStartPre=-/usr/lib/hello-web/bin/missing",
            f"ExecStart={RELEASE}/bin/hello-web \\",
            "  start",
            "X-Vendor=anything",
            "ExecStop=/bin/kill $MAINPID",
        ),
    ),
    file(
        SUDOERS,
        f"Defaults:deploy !requiretty\ndeploy ALL=(root) NOPASSWD: /bin/systemctl restart hello-web, {RELEASE}/bin/hello-web\n",
        mode=0o440,
        conffile=True,
    ),
    Directory(path=PurePosixPath("/var/lib/hello-web"), mode=0o1777),
    file(
        "/usr/lib/tmpfiles.d/hello-web.conf",
        "d /run/a 0750 hello-web\nD /tmp/a 1777 root root 10d\n",
    ),
    Symlink(path=PurePosixPath("/usr/bin/hello-web"), target="../lib/hello-web/bin/hello-web"),
    Symlink(path=PurePosixPath("/usr/bin/sh-of-the-host"), target="/bin/sh"),
]
PREINST = "#!/bin/sh\nset -e\nuseradd --system hello-web\n"


@pytest.mark.parametrize("format", Format)
def test_nothing_is_found_in_what_is_right(tmp_path, format):
    scripts = MaintainerScripts(before_install=PREINST)
    assert found(package(tmp_path, format, SOUND, scripts)) == {}


SCRIPTS = [
    ("script-interpreter", "preinst", "set -e\n", "`#!` line"),
    ("script-syntax", "preinst", "#!/bin/sh\nset -e\nif true; then\n", "sh"),
    ("script-goes-on", "preinst", "#!/bin/sh\ntrue\n", "set -e"),
    (
        "script-downloads",
        "preinst",
        "#!/bin/sh\nset -e\ncurl -fsSL http://a/b | sudo sh -s x\n",
        "curl",
    ),
    ("script-downloads", "preinst", '#!/bin/sh\nset -e\nsh -c "$(wget -qO- http://a/b)"\n', "wget"),
    (
        "script-opens",
        "preinst",
        "#!/bin/sh\nset -e\nchmod -R 777 /var/lib/hello-web\n",
        "chmod -R 777",
    ),
    ("script-opens", "preinst", "#!/bin/sh\nset -e\nchmod u+s /usr/bin/hello-web\n", "chmod u+s"),
    (
        "taken-account",
        "preinst",
        "#!/bin/sh\nset -e\nuseradd --system \\\n  --shell /bin/sh games >/dev/null\n",
        "makes the account `games`",
    ),
    ("removes-of-others", "preinst", "#!/bin/sh\nset -e\nuserdel -r mail || :\n", "`mail`"),
    ("removes-of-others", "preinst", "#!/bin/sh\nset -e\ndelgroup --system adm\n", "`adm`"),
    (
        "removes-of-others",
        "preinst",
        '#!/bin/sh\nset -e\nrm -rf /var/lib/hello-web "/var/log/journal"\n',
        "`/var/log/journal`",
    ),
    ("removes-of-others", "preinst", "#!/bin/sh\nset -e\nrm -f -r /etc/ssl/*\n", "`/etc/ssl`"),
]


@pytest.mark.parametrize(("rule", "name", "text", "says"), SCRIPTS)
def test_maintainer_scripts(tmp_path, rule, name, text, says):
    path = package(
        tmp_path, Format.DEB, [file("/usr/bin/hello-web")], MaintainerScripts(before_install=text)
    )
    [finding] = found(path)[rule]
    assert finding.path == name
    assert says in finding.what


@pytest.mark.parametrize(
    "line",
    [
        "# curl http://a | sh",
        "curl -o /tmp/x http://a",
        "chmod 0755 /usr/bin/hello-web",
        "chmod 640 /etc/hello-web",
        "chmod go-w x",
        "chmod 1770 x",
        "userdel hello-web; groupdel hello-web",
        "rm -rf /var/lib/hello-web /run/hello-web /etc/ssl/hello-web /var/log/journal-of-hello-web",
        "rm -f /etc/motd.hello-web",
    ],
)
def test_harmless_lines_of_scripts(tmp_path, line):
    scripts = MaintainerScripts(before_install=f"#!/bin/sh -e\n{line}\n")
    assert found(package(tmp_path, Format.DEB, [file("/usr/bin/hello-web")], scripts)) == {}


def test_scriptlets_of_an_rpm(tmp_path):
    scripts = MaintainerScripts(after_install="#!/bin/sh\nfor x in; do\n")
    by_rule = found(package(tmp_path, Format.RPM, [file("/usr/bin/hello-web")], scripts))
    assert by_rule["script-syntax"][0].path == "%post"
    assert "script-goes-on" not in by_rule  # rpm's scriptlets end with `|| :` instead


def test_a_name_that_the_archive_has(tmp_path):
    """apt prefers whichever version is higher: `hello` is GNU's at the next upgrade."""
    made = package(tmp_path, Format.DEB, [file("/usr/bin/x")], name="hello")
    for target in ("debian12", "ubuntu24", ""):
        (finding,) = found(made, target)["name-of-the-archive"]
        assert finding.path == "hello"
        assert finding.what.startswith("is the name of a package of Debian's own archive (")
    other = package(tmp_path, Format.RPM, [file("/usr/bin/x")], name="hello")
    assert "name-of-the-archive" not in found(other)


def test_an_older_target(tmp_path):
    """What is right on one distro is refused by another one's tools."""
    entries = [file(UNIT, service("Type=exec", "ProtectProc=invisible"))]
    path = package(tmp_path, Format.DEB, entries, compression=Compression.ZSTD)
    assert found(path, "debian12") == {}
    by_rule = found(path, "ubuntu18")
    assert {f.what.split("`")[1] for f in by_rule["unit-directive"]} == {"Type=exec", "ProtectProc"}
    assert "dpkg 1.20" in found(path, "debian11")["compression"][0].what


@pytest.fixture(scope="module")
def nif(tmp_path_factory) -> bytes:
    """It needs a libssl and a glibc that no distro has, and libc."""
    skip_unless(not native_code.missing(), "needs a compiler")
    libraries = (("libssl.so.1.1", "OPENSSL_1_1_0"), ("libm.so.6", "GLIBC_9.9"))
    return native_code.nif(tmp_path_factory.mktemp("nif"), *libraries)


NIF = f"{RELEASE}/lib/a-1/priv/a.so"


def with_nif(folder: Path, format: Format, code: bytes, architecture: str = "x86_64") -> Path:
    entries = [File(path=PurePosixPath(NIF), content=Inline(code), mode=0o755)]
    return package(folder, format, entries, architecture=architecture)


@pytest.mark.parametrize(("format", "target"), [("deb", "debian12"), ("rpm", "el10")])
def test_native_code_that_cannot_run(tmp_path, nif, format, target):
    by_rule = found(with_nif(tmp_path, Format(format), nif), target)
    assert {finding.path for finding in by_rule["cannot-run"]} == {NIF}
    said = " ".join(finding.what for finding in by_rule["cannot-run"])
    assert "needs `libssl.so.1.1`, and " in said
    assert "needs `GLIBC_9.9` of `libm.so.6`, and " in said
    needed = "`libc6`" if format == "deb" else "`libc.so.6`"
    assert any(needed in finding.what for finding in by_rule["missing-dependency"])


@pytest.mark.parametrize(
    ("folder", "says"), [("", "`.`"), ("lib", "`lib`"), ("/tmp/a", "every user"), ("$ORIGIN", "")]
)
def test_where_native_code_looks_for_libraries(tmp_path, folder, says):
    skip_unless(not native_code.missing(), "needs a compiler")
    code = native_code.nif(tmp_path, options=(f"-Wl,-rpath,{folder}:/usr/lib",))
    hits = found(with_nif(tmp_path, Format.DEB, code)).get("library-path", ())
    assert [says in finding.what for finding in hits] == ([True] if says else [])


NAMES = st.sampled_from(
    [
        *("/", "/usr", "/bin", "/lib", "/x.rel", "/releases/start_erl.data", "/releases/1/a.rel"),
        *(
            START_DATA[0],
            f"{RELEASE}/releases/1.0.0/hello-web.rel",
            UNIT,
            SUDOERS,
            "/usr/lib/hello-web",
        ),
        *("/etc/systemd/system/a.d/b.conf", "/usr/lib/sysusers.d/x", "/a/../b", "/etc/hello-web/x"),
        *(f"{RELEASE}/erts-1/bin/beam.smp", "/beam.smp", f"{RELEASE}/a.so", "/.env", "/x\ud8ff"),
    ]
)
TEXTS = st.sampled_from(
    [
        *("", " ", "\0", "=", "[Service]\nExecStart=", "[Service]\nExecStart=-\nEnvironmentFile=-"),
        *(
            "[",
            "[]",
            "1 2",
            "1 2 3",
            "a b=c: ,",
            "a=NOPASSWD:,",
            "Cmnd_Alias X=\\\n",
            "#!",
            "\x7fELF",
        ),
        *("\x7fELF\x02\x01" + "\0" * 60, "MZ", KEY, '[Service]\nExecStart="\nUser', "u \nu!"),
    ]
)
LINKS = st.sampled_from(
    ["", ".", "..", "../../..", "/", "//x", "a", "/usr/lib/hello-web", "/x.rel", "\0"]
)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(NAMES, TEXTS | st.tuples(LINKS), max_size=8),
    TEXTS,
    st.sampled_from(Format),
)
def test_it_is_checked_whatever_is_in_it(tmp_path_factory, contents, script, format):
    """Or refused as a package that nobody could install; nothing else happens."""
    folder = tmp_path_factory.mktemp("any")
    entries = [
        file(name, what, mode=0o755)
        if isinstance(what, str)
        else Symlink(path=PurePosixPath(name), target=what[0])
        for name, what in contents.items()
    ]
    try:
        path = package(folder, format, entries, MaintainerScripts(before_install=script))
    except (PkgrelError, ValueError, UnicodeError):
        return  # what cannot be written
    with suppress(PackageError):
        for row in (None, distro.find("debian12" if format is Format.DEB else "el9")):
            for finding in check.package(path, lambda _, row=row: row).findings:
                assert finding.path
                assert "\n" not in finding.what


HOSTILE = [
    "a" * (1 << 19),
    "secret" * 80_000,
    "curl " * 100_000,
    "sh -a -sh " * 50_000,
    "chmod -a " * 50_000,
    "\n" * (1 << 19),
    "(" * (1 << 19),
    "[Service]\n" + 'ExecStart="a\n' * 20_000,
    "[Service]\n" + "\\\n" * 250_000,
    "a=" + "(" * 250_000 + "NOPASSWD:" * 25_000,
    "http://" * 70_000,
    "A_" * 250_000 + "=",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:9])
def test_a_hostile_text_takes_no_time(tmp_path, text):
    """A pattern that goes back and forth would take days."""
    entries = [
        *(
            file(path, text, conffile=True)
            for path in (SUDOERS, UNIT, "/etc/hello-web/environment")
        ),
        file(f"{RELEASE}/releases/1.0.0/sys.config", text),
        file(f"{RELEASE}/releases/1.0.0/vm.args", text),
        file("/usr/lib/sysusers.d/hello-web.conf", text),
        file(*START_DATA[:1], text),
        file("/x.rel", text),
    ]
    scripts = MaintainerScripts(before_install=f"#!/usr/bin/python3\n{text}", after_install=text)
    check.package(package(tmp_path, Format.DEB, entries, scripts), lambda _: None)


@pytest.mark.parametrize("format", Format)
def test_native_code_for_another_machine(tmp_path, nif, format):
    by_rule = found(with_nif(tmp_path, format, native_code.for_machine(nif, 183)))
    assert "is for aarch64, the package for x86_64" in by_rule["foreign-machine"][0].what
    by_rule = found(with_nif(tmp_path, format, nif, "noarch"))
    assert "the package for every machine" in by_rule["foreign-machine"][0].what


def dpkg_deb(folder: Path, control: dict[str, str]) -> Path:
    """A .deb that somebody made by hand; its files are in `folder`/root."""
    need("dpkg-deb")
    root = folder / "root"
    (root / "DEBIAN").mkdir(parents=True)
    for name, text in {"control": CONTROL, **control}.items():
        (root / "DEBIAN" / name).write_text(text)
        (root / "DEBIAN" / name).chmod(0o755 if name.endswith("inst") else 0o644)
    return folder / "demo.deb"


def test_a_deb_of_dpkg_deb(tmp_path):
    made = dpkg_deb(tmp_path, {"conffiles": "/etc/gone\n", "postinst": "#!/bin/sh\nfi\n"})
    key = tmp_path / "root" / "srv" / "id_ed25519"
    key.parent.mkdir()
    key.write_text(KEY)
    (key.parent / "second").hardlink_to(key)
    command = ["dpkg-deb", "--nocheck", "--root-owner-group", "-Zzstd", "-b"]
    run(*command, tmp_path / "root", made)
    by_rule = found(made)
    assert by_rule["conffile-missing"][0].path == "/etc/gone"
    assert by_rule["script-syntax"][0].path == "postinst"
    assert {f.path for f in by_rule["private-key"]} == {"/srv/id_ed25519", "/srv/second"}
    assert "compression" in found(made, "debian11")


def test_an_rpm_of_rpmbuild(tmp_path):
    by_rule = found(by_rpmbuild(tmp_path))
    assert by_rule["set-id"][0].path == "/usr/bin/demo-setuid"
    assert "runs as root" in by_rule["set-id"][0].what
    assert "weak-digests" not in by_rule


def test_an_rpm_with_weak_digests(tmp_path):
    """As fpm makes them by default."""
    need("rpmbuild")
    spec = tmp_path / "weak.spec"
    head = "Name: weak\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n"
    install = "%install\ninstall -Dm644 /etc/hostname %{buildroot}/usr/share/weak\n"
    spec.write_text(f"{head}%description\nd\n{install}%files\n/usr/share/weak\n")
    options = ("--define", f"_topdir {tmp_path}", "--define", "_binary_filedigest_algorithm 1")
    run("rpmbuild", "-bb", *options, spec)
    [made] = tmp_path.glob("RPMS/*/*.rpm")
    assert [f.what.partition(":")[0] for f in found(made)["weak-digests"]] == [
        "has MD5 digests of its files"
    ]


def test_what_is_too_large_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("pkgrel.check.subject.LIMIT", 10)
    by_rule = found(package(tmp_path, Format.DEB, [file("/srv/large.txt", "x" * 11)]))
    assert by_rule["unread"][0].path == "/srv/large.txt"


@pytest.fixture(scope="module")
def ours(hello_release, relx_release, tmp_path_factory) -> list[Path]:
    """What pkgrel makes of the examples, of one of them for every distro that can run it, with many settings."""
    folder = tmp_path_factory.mktemp("ours")
    (folder / "pkgrel.toml").write_text(
        '[package]\nname = "hello-web"\nmaintainer = "Test <test@example.org>"\n[service]\ndeploy-user = "deploy"\n'
        '[service.environment]\nPORT = "4000"\n[secrets]\ngenerate = ["SECRET_KEY_BASE"]\n'
        '[configuration]\nruntime = true\n[migrations]\nfunction = "Hello.migrate"\n'
    )
    made: list[Path] = []
    for tarball, distros in (
        (hello_release("1.0.0"), ["all"]),
        (relx_release, ["debian12", "fedora44"]),
    ):
        settings = folder / "pkgrel.toml"
        if tarball is relx_release:
            settings.write_text('[package]\nmaintainer = "Test <test@example.org>"\n')
        options = [word for name in distros for word in ("--distro", name)]
        command = (*PKGREL, "build", tarball, *options, "-c", settings, "-o", folder)
        made += map(Path, run(*command).split())
    return made


def test_our_own_packages_are_clean(ours):
    done = pkgrel("check", "--strict", *ours)
    assert (done.stdout, done.returncode) == ("", 0)
    *lines, total = done.stderr.splitlines()
    assert total == f"{len(ours)} packages: nothing found"
    assert len(lines) == len(ours) > 10
    assert all(": nothing found, checked for " in line for line in lines)
    assert not any("no distro" in line for line in lines)


@pytest.fixture
def bad(tmp_path) -> Path:
    entries = [file("/etc/hello-web.conf"), file(UNIT, service("ExceStart=x"))]
    return package(tmp_path, Format.DEB, entries)


def test_a_line_for_each_finding(bad):
    done = pkgrel("check", bad)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first == (
        f"{bad}: error: /etc/hello-web.conf would lose the administrator's edits in an upgrade: make it a"
        " conffile (%config(noreplace)), or put it below /usr [etc-not-conffile]"
    )
    assert second.startswith(f"{bad}: warning: {UNIT} ")
    assert done.stderr == f"{bad}: 1 error, 1 warning, checked for no distro in particular\n"


def test_a_warning_alone_is_no_failure(bad):
    assert pkgrel("check", bad, "--ignore", "etc-not-conffile").returncode == 0
    assert pkgrel("check", bad, "--ignore", "etc-not-conffile", "--strict").returncode == 1
    done = pkgrel(
        "check", bad, "--ignore", "etc-not-conffile", "--ignore", "unit-directive", "--strict"
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_wrong_with_every_file_is_said_of_some(tmp_path):
    entries = [file(f"/usr/share/hello-web/{number}", mode=0o666) for number in range(25)]
    made = package(tmp_path, Format.DEB, entries)
    *lines, last = pkgrel("check", made).stdout.splitlines()
    assert len(lines) == 10
    assert last == f"{made}: error: 15 more, which --json has [world-writable]"
    assert len(json.loads(pkgrel("check", "--json", made).stdout)[0]["findings"]) == 25


def test_json(bad):
    done = pkgrel("check", "--json", "--distro", "debian12", bad)
    assert done.returncode == 1
    [about] = json.loads(done.stdout)
    assert about["distro"] == "debian12"
    assert about["findings"][0] == {
        "severity": "error",
        "rule": "etc-not-conffile",
        "path": "/etc/hello-web.conf",
        "what": "would lose the administrator's edits in an upgrade",
        "remedy": "make it a conffile (%config(noreplace)), or put it below /usr",
        "source": "Debian Policy 10.7.3; rpm-spec(5), %config",
    }


def test_annotations_of_a_workflow(tmp_path):

    odd = "/usr/share/hello-web/100%::x,y"
    folder = tmp_path / "a,b"
    folder.mkdir()
    made = package(folder, Format.RPM, [file(odd, mode=0o666)])
    done = pkgrel("check", "--format", "github", made)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert all(line.startswith(("::error file=", "::warning file=")) for line in lines)
    [found] = [line for line in lines if "title=world-writable" in line]
    where = str(made).replace(",", "%2C")
    assert found.startswith(
        f"::error file={where},title=world-writable::/usr/share/hello-web/100%25::x,y "
    )


def test_sarif(bad):
    done = pkgrel("check", "--format", "sarif", "--distro", "debian12", bad)
    assert done.returncode == 1
    log = json.loads(done.stdout)
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    findings = json.loads(pkgrel("check", "--json", "--distro", "debian12", bad).stdout)[0][
        "findings"
    ]
    assert len(run["results"]) == len(findings)
    for result, finding in zip(run["results"], findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding["rule"]
        assert result["level"] == finding["severity"]
        place = result["locations"][0]
        assert place["physicalLocation"]["artifactLocation"]["uri"].endswith(bad.name)
        assert place["logicalLocations"][0]["fullyQualifiedName"] == finding["path"]


def test_the_sum_of_several_stands_at_the_end(bad):
    last = pkgrel("check", bad, bad).stderr.splitlines()[-1]
    assert re.fullmatch(r"2 packages: \d+ errors(, \d+ warnings?)?", last)


def test_the_rules_are_told():
    rows = json.loads(pkgrel("check", "--rules", "--json").stdout)
    assert {row["id"] for row in rows} == {rule.id for rule in check.RULES}
    assert all(row["source"] and row["remedy"] for row in rows)
    assert len({rule.id for rule in check.RULES}) == len(check.RULES)
    assert "Debian Policy 10.9" in pkgrel("check", "--rules").stdout


def refusal(*arguments: str | Path) -> str:
    done = pkgrel("check", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_is_no_sound_package(bad, tmp_path):
    whole = bad.read_bytes()
    for name, data in (("cut", whole[: len(whole) // 2]), ("empty", b""), ("text", b"hello-web")):
        (tmp_path / name).write_bytes(data)
        error = refusal(tmp_path / name)
        assert error.count("error:") == 1
        assert name in error


def test_what_cannot_be_meant(bad):
    assert "a .deb is not for `el9`" in refusal("--distro", "el9", bad)
    assert "there is no rule `cooky`" in refusal("--ignore", "cooky", bad)
    assert "unknown distro `el99`" in refusal("--distro", "el99", bad)
    assert pkgrel("check").returncode == 2


def test_signatures_are_looked_at_where_there_is_a_key(tmp_path):
    import pysequoia

    key, other = (
        pysequoia.Tsk.generate(f"{name} <{name}@example.org>") for name in ("key", "other")
    )
    (tmp_path / "secret.asc").write_text(str(key))
    (tmp_path / "key.asc").write_text(str(key.extract_certificate()))
    (tmp_path / "other.asc").write_text(str(other.extract_certificate()))
    made = package(tmp_path, Format.RPM, [file("/usr/bin/hello-web")])
    assert pkgrel("check", made).stdout == ""
    unsigned = pkgrel("check", made, "--key", tmp_path / "key.asc")
    assert (unsigned.returncode, "signature") == (1, unsigned.stdout.rpartition("[")[2][:-2])
    assert "header is not signed" in unsigned.stdout
    run(*PKGREL, "sign", made, "--signing-key", tmp_path / "secret.asc")
    assert pkgrel("check", made, "--key", tmp_path / "key.asc").returncode == 0
    assert "by another key" in pkgrel("check", made, "--key", tmp_path / "other.asc").stdout
    assert "rpm: the key cannot be read" in refusal(made, "--key", made)


def test_nothing_stays_behind(bad, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert pkgrel("check", bad).returncode == 1
    (tmp_path / "cut").write_bytes(bad.read_bytes()[:-100])
    assert pkgrel("check", tmp_path / "cut").returncode == 1
    assert list(temporary.iterdir()) == []
