"""Names, accounts and paths that exist on hosts are refused, reported, or accepted."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.distro import Format, distros, names, select
from pkgrel.errors import ConfigError
from pkgrel.release.model import Release

HEAD = '[package]\nmaintainer = "Example Team <team@example.org>"\n'


@pytest.fixture(scope="module")
def hello(hello_release: Callable[[str], Path]) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        yield read


@pytest.fixture
def planned(hello: Release, tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Plans it; what `build` says of other hosts."""

    def _planned(distro: str, settings: str) -> list[str]:
        file = tmp_path / "pkgrel.toml"
        file.write_text(HEAD + settings)
        said = []
        for draft in plan.drafts(hello, load(file), select([distro]), plan.Options()):
            plan.package(draft)
            # What the archive has is another matter: test_archive_names.
            said += [word for word in draft.warnings if "some hosts have" in word]
        return said

    return _planned


BOTH = """
profile hosts group shadow environment passwd services protocols fstab hostname motd shells
user lock systemd dbus log utmp sudo mount credentials
cloud rsyslog private misc machines logrotate ssh ssl default udev
mail games users daemon bin sys adm news nobody sshd polkitd messagebus systemd-network
test env sort link id who bash sed tar login less curl
""".split()
DEB = "cron backup staff www-data proxy list irc src dpkg apt debconf snapd ubuntu syslog landscape ufw".split()
RPM = (
    "rpm dnf yum zypp rhsm wheel firewalld tuned chronyd ec2-user authselect sssd operator".split()
)


@pytest.mark.parametrize(
    ("distro", "name"),
    [
        *((distro, name) for distro in ("debian12", "el9") for name in BOTH),
        *(("ubuntu24", name) for name in DEB),
        *(("fedora44", name) for name in RPM),
    ],
)
def test_a_name_that_every_host_has_is_no_name_for_a_package(planned, distro, name) -> None:
    with pytest.raises(ConfigError, match="cannot be") as error:
        planned(distro, f'name = "{name}"\n')
    assert "`package.name` cannot be" in str(error.value)
    assert f'name = "{name}-app"' in (error.value.hint or "")


def test_the_refusal_says_whose_it_is(planned) -> None:
    with pytest.raises(ConfigError) as error:
        planned("debian12", 'name = "profile"\n')
    assert str(error.value).endswith(
        "pkgrel.toml:3: `package.name` cannot be `profile`: every host of Debian 12 has /etc/profile of the base system"
    )
    with pytest.raises(ConfigError, match="the account backup of base-passwd") as error:
        planned("debian12", 'name = "backup"\n')
    assert "or `user` in [service]" in (error.value.hint or "")
    planned("debian12", 'name = "backup"\n[service]\nuser = "backups"\n')
    # Only what the package would have counts.
    with pytest.raises(ConfigError, match="has /var/log/journal of systemd"):
        planned("debian12", 'name = "journal"\n[service.directories]\nlogs = true\n')


FREE = """
my-app shop api web app backend portal chat blog store demo hub gateway billing orders payments auth worker
scheduler notifier search metrics monitor dashboard crm erp cms wiki forum ledger inventory catalog cart
checkout accounts identity events stream feed media image upload files tracker phoenix elixir myapp server
client frontend core agent node queue broker router mailer jobs beacon atlas orbit relay keeper note calendar
report analytics stats play live acme journal mysqlish emqx vernemq hello hello_world
""".split()


@pytest.mark.parametrize("name", FREE)
def test_names_of_products_pass_without_a_word(planned, name) -> None:
    for distro in ("debian12", "el9"):
        assert planned(distro, f'name = "{name.replace("_", "-")}"\n') == []


@pytest.mark.parametrize(
    ("distro", "name", "whose"),
    [
        ("debian12", "docker", "the account docker"),
        ("debian12", "redis", "of redis"),
        ("debian12", "postgresql", "of postgresql"),
        ("debian12", "nginx", "of nginx"),
        ("ubuntu24", "mysql", "the account mysql"),
        ("debian12", "rabbitmq-server", "the unit rabbitmq-server.service"),
        ("el9", "nginx", "the account nginx"),
        ("el9", "pgsql", "/var/lib/pgsql"),
        ("el9", "vault", "the account vault"),
    ],
)
def test_a_name_that_some_hosts_have_is_worth_a_word(planned, distro, name, whose) -> None:
    [said] = planned(distro, f'name = "{name}"\n')
    assert whose in said


@pytest.mark.parametrize(
    ("distro", "settings", "key"),
    [
        ("debian12", 'user = "www-data"', "service.user"),
        ("debian12", 'user = "www-data"\nremove-user = true', "service.user"),
        ("debian12", 'user = "nobody"', "service.user"),
        ("debian12", 'user = "backup"\ngroup = "web"', "service.user"),
        ("debian12", 'group = "staff"', "service.group"),
        ("debian12", 'group = "shadow"', "service.group"),
        ("debian12", 'group = "sudo"', "service.group"),
        ("ubuntu24", 'user = "ubuntu"', "service.user"),
        ("debian12", 'deploy-user = "www-data"', "service.deploy-user"),
        ("el9", 'user = "nobody"', "service.user"),
        ("el9", 'group = "wheel"', "service.group"),
        ("el9", 'user = "ec2-user"', "service.user"),
        ("el9", 'user = "sssd"', "service.user"),
    ],
)
def test_accounts_of_every_host(planned, distro, settings, key) -> None:
    with pytest.raises(ConfigError, match=f"`{key}` cannot be") as error:
        planned(distro, f"[service]\n{settings}\n")
    assert "`shared-accounts = " in (error.value.hint or "")


@pytest.mark.parametrize(
    "settings",
    [
        'user = "www-data"\nshared-accounts = ["www-data"]',
        'group = "www-data"\nshared-accounts = ["www-data"]',
        'user = "root"',
        'user = "deploy"',
        'deploy-user = "deploy"',
        'deploy-user = "ubuntu"',
        'extra-groups = ["ssl-cert", "adm"]',
    ],
)
def test_accounts_that_are_meant(planned, settings) -> None:
    planned("debian12", f"[service]\n{settings}\n")


@pytest.mark.parametrize(
    "path",
    """
    /etc/passwd /etc/shadow /etc/hosts /etc/sudoers /etc/profile /etc/environment /etc/ssh/sshd_config
    /etc/profile/x.sh /etc/default/useradd /usr/bin/env /usr/sbin/useradd /bin/ls /usr/lib/sysusers.d/basic.conf
    /usr/lib/tmpfiles.d/systemd.conf /usr/lib/systemd/system/dbus.service /usr/lib/systemd/system/user@.service
    /etc/logrotate.d/wtmp /etc/pam.d/login /etc/security/limits.conf
    """.split(),
)
def test_files_of_every_host(planned, path) -> None:
    with pytest.raises(ConfigError, match="is there on every host"):
        planned("debian12", f'[[file]]\ncontent = "x"\npath = "{path}"\n')


@pytest.mark.parametrize(
    "path",
    """
    /etc/profile.d/hello.sh /etc/cron.d/hello /etc/security/limits.d/hello.conf /etc/rsyslog.d/hello.conf
    /etc/nginx/conf.d/hello.conf /usr/lib/sysctl.d/60-hello.conf /usr/bin/hello-tool /etc/ssh/sshd_config.d/hello.conf
    /etc/hello/app.conf /srv/hello/index.html /etc/sudoers.d/hello-team /usr/lib/tmpfiles.d/hello-more.conf
    """.split(),
)
def test_files_beside_those_of_others(planned, path) -> None:
    assert planned("debian12", f'[[file]]\ncontent = "x"\npath = "{path}"\n') == []


@pytest.mark.parametrize(
    "path",
    "/root/.ssh/authorized_keys /home/ann/.profile /run/hello/x /var/run/x /tmp/x /dev/null /proc/1/x".split(),
)
def test_places_that_are_not_for_packages(planned, path) -> None:
    with pytest.raises(ConfigError, match="cannot be in a package"):
        planned("el9", f'[[file]]\ncontent = "x"\npath = "{path}"\n')


def test_other_names_and_places_of_the_system(planned) -> None:
    for settings, word in (
        ('name = "lib"\nprefix = "/usr"\n', "the system's own directory"),
        ('name = "icons"\nprefix = "/usr/share"\n', "the system's own directory"),
        ('name = "basic"\n', "/usr/lib/sysusers.d/basic.conf of systemd"),
        # It would be started by a socket of systemd's, or start in place of another unit.
        ('name = "syslog"\n[service]\nuser = "hello"\n', "the unit syslog.socket"),
        (
            '[[unit]]\nname = "ssh.service"\ncontent = "[Service]\\nExecStart=/bin/true\\n"\n',
            "is there on every host",
        ),
    ):
        with pytest.raises(ConfigError, match=word):
            planned("debian12", settings)
    # Directories that the service does not have are no matter.
    assert "/var/lib/insights" in "".join(planned("el9", 'name = "insights"\n'))
    without = 'name = "insights"\n[service]\nuser = "x"\n[service.directories]\nstate = false\n'
    assert planned("el9", without) == []


def test_the_table_is_for_every_family() -> None:
    for distro in distros().values():
        assert names.taken(distro.format, "etc", "passwd")
        assert names.taken(distro.format, "account", "daemon")
        assert not names.taken(distro.format, "account", "my-app")
    assert names.taken(Format.DEB, "group", "staff")
    assert not names.taken(Format.RPM, "group", "staff")
