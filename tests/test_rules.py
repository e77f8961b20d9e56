"""Settings are refused if they would inject something into a script, a unit or sudoers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import ConfigError
from pkgrel.release.model import Release


@pytest.fixture(scope="module")
def hello(hello_release: Callable[[str], Path]) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        yield read


def plan_with(hello: Release, folder: Path, text: str) -> None:
    file = folder / "pkgrel.toml"
    file.write_text('[package]\nmaintainer = "Example Team <team@example.org>"\n' + text)
    plan.packages(hello, load(file), select(["debian12"]), plan.Options())


LINES = [
    '[service]\ndescription = "x\\nExecStartPre=/bin/evil"',
    '[service]\nwrap = "/usr/bin/nice\\nUser=root"',
    '[service]\nexec-start-pre = ["/bin/true\\nUser=root"]',
    '[service.environment]\nA = "1\\nLD_PRELOAD=/tmp/x"',
    '[service.limits]\ncore = "infinity\\nUser=root"',
    '[service.sandbox]\nProtectHome = "no\\nUser=root"',
    '[service.ready]\nrpc = "true\\r\\nrm"',
    '[distribution]\nnode = "a@b\\nc"',
    'homepage = "https://example.org\\nUser=root"',
    '[helpers]\ns3 = "s3://bucket\\nrm"',
]


@pytest.mark.parametrize("text", LINES)
def test_a_line_more_would_be_a_directive_more(hello: Release, tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="must be one line without control characters"):
        plan_with(hello, tmp_path, text)


NAMES = [
    ('prefix = "/opt/a b"', "`package.prefix` must be an absolute path"),
    ('prefix = "/opt/$(id)"', "`package.prefix` must be an absolute path"),
    ('[service]\ndeploy-user = "a ALL=(ALL) ALL"', "`service.deploy-user` must be a name"),
    ('[service]\ndeploy-user = "%admin"', "`service.deploy-user` must be a name"),
    ('[service]\ndeploy-user = "root"', "must be a user of its own"),
    ('[service]\nuser = "app"\ndeploy-user = "app"', "must be a user of its own"),
    ('[service]\ndeploy-user = "hello"', "must be a user of its own"),
    ('[service]\nextra-groups = ["adm", "x;id"]', r"`service.extra-groups\[1\]` must be a name"),
    ('[service]\nuser = "root"\nremove-user = true', "cannot remove root"),
    (
        '[service]\nuser = "www-data"\nshared-accounts = ["www-data"]\nremove-user = true',
        "cannot remove www-data",
    ),
    ('[service]\nshared-accounts = ["ada"]', "`ada` is neither the service's user"),
    ('[service.environment]\n"A B" = "1"', "must be the name of a variable"),
    ('[service.environment]\n"1A" = "1"', "must be the name of a variable"),
    ('[service.environment]\n"A=$(id)" = "1"', "must be the name of a variable"),
    ('[service]\nenvironment-files = ["etc/x"]', "must be an absolute path"),
    ('[service]\nenvironment-files = ["/etc/x/*"]', "must be an absolute path"),
    ('[service]\nworking-directory = "/srv/a b"', "must be an absolute path"),
    ('[service]\numask = "rwx"', "must be permissions in octal"),
    ('[service.directories]\nmode = "0750; id"', "must be permissions in octal"),
    ('[service.directories]\nconfiguration-mode = "0770"', "that let only root write"),
    ('[service]\nafter = ["a.service b; id"]', "must be the name of a unit"),
    ('[service.credentials]\n"a:b" = "/x"', "`service.credentials.a:b` must be letters"),
    ('[distribution]\nnode = "a@$(id)"', "must be the name of a node"),
    ("[distribution]\nport = 70000", "must be 0 to 65535"),
    ("[distribution]\nport = 5000\nport-max = 4000", "must not be below"),
    ("[distribution]\nepmd = false\nport = 1\nport-max = 4000", "is for nodes that epmd knows"),
    ('[secrets]\ngenerate = ["A; id"]', "must be the name of a variable"),
    ('[helpers]\ns3 = "https://bucket"', "must be a bucket and a prefix"),
    ('[helpers]\ns3 = "s3://b/$(id)"', "must be a bucket and a prefix"),
    ('[helpers.ssm]\n"A B" = "/x"', "`helpers.ssm.A B` must be the name of a variable"),
    ('[helpers.ssm]\nA = "/x; id"', "`helpers.ssm.A` must be the name of an SSM parameter"),
    ('[[unit]]\nname = "x;id.service"\ncontent = "x"', r"`unit\[0\].name` must be the name"),
    ('[[unit]]\nname = "../x.service"\ncontent = "x"', r"`unit\[0\].name` must be the name"),
    ('[[obsolete]]\npath = "/etc/x;id"\nversion = "1"', r"`obsolete\[0\].path` must be a file"),
    ('homepage = "example.org"', "`package.homepage` must be a URL"),
    ('section = "web; id"', "`package.section` must be a section"),
    ('[package.libraries]\n"libfoo.so.1" = "a b"', "must be the name of a Debian package"),
    ("depends = ['a\"b']", "is not a relation to a package"),
    ('depends = ["$(id)"]', "is not a relation to a package"),
    ('depends = ["/usr/bin/jq"]', "cannot be the name of a Debian package"),
    ('depends = ["aa | B"]', "`B` cannot be the name of a Debian package"),
    (
        '[service]\nread-write-paths = ["srv"]',
        r"`service.read-write-paths\[0\]` must be an absolute",
    ),
    ('[service]\ninaccessible-paths = ["-srv"]', "must be an absolute path"),
    ('[service.credentials]\ntls = "a b"', "`service.credentials.tls` must be an absolute path"),
    ("[service]\nwrap = '/usr/bin/nice \"'", "has no end"),
    ("[service]\nexec-start-pre = ['/bin/echo \"a']", "has no end"),
    (
        "[service]\nexec-start-pre = ['/bin/echo 100%']",
        "`%` in `/bin/echo 100%` is not a specifier",
    ),
    ("[service]\nexec-start-pre = ['/bin/date +%Z']", "`%Z` in"),
    ("[service]\ndescription = 'a\\'", "must not end with a backslash"),
    ("[service.sandbox]\nProtectHome = 'yes\\'", "must not end with a backslash"),
    ('[distribution]\nnode = "-x"', "must be the name of a node"),
    ('[distribution]\ninterface = "10.0.0.5"', 'does nothing with `reach = "loopback"`'),
    ("[distribution]\nport-max = 4400", "does nothing alone"),
    ('[helpers.ssm]\nA = "-x"', "must be the name of an SSM parameter"),
    ('[build]\nmix-env = "a b"', "`build.mix-env` must be a name"),
    ('[build]\nmix-env = "prod\\n"', "must be one line"),
    ('description = "a\\u0001b"', "paragraphs without control characters"),
    ('description = "a\\u001b[31m"', "paragraphs without control characters"),
    ('description = "a\\uffffb"', "paragraphs without control characters"),
    ('[build]\nrelease = "my app"', "`build.release` must be the name of a release"),
    ('[build.environment]\n"A B" = "1"', "`build.environment.A B` must be the name of a variable"),
    ('[distro.el8.service]\numask = "rwx"', "`distro.el8.service.umask` must be permissions"),
    ('[commands]\n"a;b" = "1"', "cannot be the name of a command"),
    ('[commands]\nrpc = "1"', "cannot be the name of a command"),
    ('[commands]\nx = "1"\n[distribution]\nreach = "none"', "which nobody can reach here"),
    ('[migrations]\nfunction = "System.cmd(1)"', "must be a function of a module"),
]


@pytest.mark.parametrize(("text", "message"), NAMES)
def test_a_name_can_only_be_a_name(hello: Release, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_with(hello, tmp_path, text)


FINE = """
description = "First.\\n\\nSecond."
[service]
working-directory = "{{ state }}/work"
environment-files = ["-/etc/default/hello", "{{ etc }}/more.env"]
exec-start-pre = ["/bin/sh -c 'echo it\\\\'s one'", '/bin/echo "a\\"b" 100%% \\x41']
after = ["network-online.target", "postgresql@15-main.service", "dev-disk-by\\\\x2dlabel.device"]
[service.environment]
_A1 = "tab\\there {{ state }}"
[distribution]
node = "hello@node-1.example.org"
reach = "cluster"
[helpers]
s3 = "s3://my.bucket-1/a b/c=d"
[helpers.ssm]
A = "arn:aws:ssm:eu-west-1:123456789012:parameter/prod/db:3"
[commands]
both = "a = 1\\nIO.puts(a)"
[[unit]]
name = "hello-backup@.service"
content = "[Service]\\nExecStart=/bin/true\\n"
"""


def test_what_is_right_passes(hello: Release, tmp_path: Path) -> None:
    plan_with(hello, tmp_path, FINE)


def test_byte_order_marks_of_editors_pass(hello: Release, tmp_path: Path) -> None:
    own = '\ufeff[package]\nmaintainer = "A <a@example.org>"\n[scripts]\nafter-install = "x.sh"\n'
    (tmp_path / "pkgrel.toml").write_text(own, encoding="utf-8")
    (tmp_path / "x.sh").write_text("\ufeffecho here\n", encoding="utf-8")
    document = load(tmp_path / "pkgrel.toml")
    [package] = plan.packages(hello, document, select(["debian12"]), plan.Options())
    assert "\necho here\n" in package.scripts.after_install


def test_an_account_may_be_called_as_any_release(tmp_path: Path) -> None:
    file = tmp_path / "pkgrel.toml"
    file.write_text(
        '[package]\nmaintainer = "A <a@example.org>"\n[build]\nmix-env = "prod-eu"\n'
        '[service]\ndeploy-user = "release"\n'
    )
    [debian] = select(["debian12"])
    assert plan.refusal_of(load(file), debian) is None
