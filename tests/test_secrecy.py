"""Detection of secrets, without false alarms."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.distro import select
from pkgrel.errors import ConfigError
from pkgrel.secrecy import named_like_a_secret, secret, secret_in_command

SECRET = """
SECRET_KEY_BASE PGPASSWORD DB_PASS API_TOKEN2 STRIPE_KEY SENTRY_DSN RELEASE_COOKIE SIGNING_SALT PASSWORD_1
JWT_PRIVATE TLS_KEY_PEM apiKey secretKeyBase AWS_SECRET_ACCESS_KEY SMTP_PASSWD VAPID_PRIVATE_KEY MYSQL_PWD
GOOGLE_CREDENTIALS_JSON db_password CREDENTIAL GUARDIAN_SECRET_KEY TOKEN ENCRYPTION_KEYS KEY_PASSPHRASE
"""
OPEN = """
AWS_ACCESS_KEY_ID PUBLIC_KEY STRIPE_PUBLISHABLE_KEY PRIVATE_IPV4 SECRET_KEY_BASE_FILE TOKEN_TTL PWD MIX_ENV
COOKIE_DOMAIN KEY PORT PASS_THROUGH PASSWORD_MIN_LENGTH SECRETS_DIR DATABASE_URL MONKEY API_MONKEY TOKEN_URL
CACHE_KEY TLS_KEY_FILE CREDENTIALS_DIRECTORY SECRET_NAME_PATH KEY_PREFIX KEYBOARD PHX_HOST PRIMARY_KEY
"""


@pytest.mark.parametrize("name", SECRET.split())
def test_a_name_of_a_secret(name: str) -> None:
    assert named_like_a_secret(name)


@pytest.mark.parametrize("name", OPEN.split())
def test_a_name_of_none(name: str) -> None:
    assert not named_like_a_secret(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "ecto://app:hunter2@db/app"),
        ("CACHE", "redis://:hunter2@cache:6379"),
        ("NODES", "amqp://a@one,amqp://b:hunter2@two"),
        ("DB", "postgres://app:with/slash@db"),
        ("X", "-----BEGIN EC PRIVATE KEY-----"),
        ("API_TOKEN", "12345"),
    ],
)
def test_a_value_that_gives_access(name: str, value: str) -> None:
    assert secret(name, value)
    assert "hunter2" not in secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "ecto://app@db:5432/app"),
        ("URL", "http://localhost:4000/a@b"),
        ("DATABASE_URL", "ecto://app:${DB_PASSWORD}@db/app"),
        ("API_TOKEN", "/run/credentials/hello.service/token"),
        ("API_TOKEN", ""),
        ("CHECK_TOKEN", "true"),
    ],
)
def test_a_value_that_gives_none(name: str, value: str) -> None:
    assert secret(name, value) == ""


def test_a_command_with_an_option() -> None:
    assert secret_in_command("/usr/bin/env DB_PASSWORD=hunter2 /usr/bin/x")
    assert secret_in_command("/usr/bin/x --db-password='hunter2'")
    assert not secret_in_command("/usr/bin/x --password-file=/etc/x --key=/etc/k --port=1")


UNIT = """[[unit]]
name = "a.service"
content = '''
[Service]
Environment=PORT=1 TOKEN=hunter2
'''
"""


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ('[service.environment]\nDB_PASSWORD = "hunter2"', "`service.environment.DB_PASSWORD`"),
        ('[service.environment]\nDB = "ecto://a:hunter2@db/x"', "`service.environment.DB`"),
        ("[distro.debian12.service.environment]\nTOKEN = 'x'", "`service.environment.TOKEN`"),
        ('[service]\nexec-start-pre = ["/bin/x --token=hunter2"]', "`service.exec-start-pre[0]`"),
        ("[commands]\nx = 'f(~s(https://a:hunter2@b))'", "`commands.x`"),
        (UNIT, "`unit[0]`"),
        ('[service]\ndrop-in = "more.conf"', "`service.drop-in`"),
    ],
)
def test_a_secret_that_everybody_could_read_is_refused(
    hello_release: Callable[[str], Path], tmp_path: Path, settings: str, where: str
) -> None:
    (tmp_path / "more.conf").write_text("[Service]\nEnvironment='API_KEY=hunter2'\n")
    file = tmp_path / "pkgrel.toml"
    file.write_text(f'[package]\nmaintainer = "A <a@example.org>"\n{settings}\n')
    with release.read(hello_release("1.0.0")) as hello, pytest.raises(ConfigError) as caught:
        plan.packages(hello, load(file), select(["debian12"]), plan.Options())
    assert where in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert "/etc/hello/environment" in caught.value.hint
