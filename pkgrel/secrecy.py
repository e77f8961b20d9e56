"""Recognises secrets by the names and values of variables, to keep them out of world-readable files.

Source: names in the documentation of Phoenix, Ecto, Rails, Django, libpq, MySQL, AWS, Sentry, Stripe and Twilio.
"""

import re
import shlex
from urllib.parse import unquote

# A word of the name, or its end: PGPASSWORD, DB_PASSWORD, APITOKEN.
_SECRET = re.compile(
    r".*(?:SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|TOKENS?|CREDENTIALS?|APIKEY|COOKIE)|SECRET.*"
    r"|SALT|DSN|BEARER"
)
# Only at the end of the name: PRIVATE_IPV4 and PASS_THROUGH are not secrets.
_SECRET_END = re.compile(r"KEYS?|PASS|PWD|PRIVATE|.*SECRETKEY|.*PRIVATEKEY")
# Quotes around a value make no difference.
_ENCODING = frozenset("PEM BASE64 B64 HEX DER JSON JWK BASE VALUE TEXT".split())
# Last words of names that say where a secret is, or how it is used.
_ABOUT = frozenset(
    """
    FILE FILES PATH PATHS DIR DIRECTORY FOLDER NAME NAMES ID IDS URI URL HOST PORT ENDPOINT ARN
    TTL TIMEOUT EXPIRY EXPIRES EXPIRATION LIFETIME AGE LENGTH SIZE MIN MAX ROUNDS COUNT LIMIT
    TYPE ALGORITHM ALG DOMAIN SECURE SAMESITE ENABLED DISABLED REQUIRED ISSUER AUDIENCE PREFIX
    HEADER FIELD REGION VERSION MODE POLICY STORE BACKEND PROVIDER SECONDS MINUTES HOURS DAYS BITS
    """.split()
)
_OPEN_KEYS = frozenset(
    """
    PUBLIC PUB PUBLISHABLE PRIMARY FOREIGN PARTITION SORT CACHE ROUTING SHARD IDEMPOTENCY SITE
    """.split()
)
_SWITCH = re.compile(r"|true|false|yes|no|on|off", re.IGNORECASE)
# A file, such as a credential or a mounted secret; a variable or a placeholder.
_PLACE = re.compile(r"/[\w./%@:-]+|file:.*|\$\{?\w+\}?|%d/.*")
# A port is not a password: http://host:80/@name
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{0,31})://[^\s/:@?#]{0,256}:(?!\d+(?:[/?#]|$))([^\s@]{1,256})@",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?:^|\s)[\"']?-{0,2}([A-Za-z][\w.-]*)=[\"']?([^\s\"']+)")
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY")


def named_like_a_secret(name: str) -> bool:
    """Whether a variable of this name usually holds a secret."""
    words = [word for word in re.split(r"[_.-]+", name.upper()) if word.strip("0123456789")]
    words = [word.rstrip("0123456789") if word not in _ENCODING else word for word in words]
    while len(words) > 1 and words[-1] in _ENCODING:
        words.pop()
    if not words or words[-1] in _ABOUT:
        return False
    if words[-1] in ("KEY", "KEYS") and len(words) > 1 and words[-2] in _OPEN_KEYS:
        return False
    return bool(_SECRET_END.fullmatch(words[-1]) and len(words) > 1) or any(
        _SECRET.fullmatch(word) for word in words
    )


def secret_in(text: str) -> str:
    """The kind of secret in a value, in words; empty for none."""
    if _PRIVATE_KEY.search(text):
        return "a private key"
    for found in _URL.finditer(text):
        if not _PLACE.fullmatch(unquote(found[2])):
            return f"a `{found[1]}://` URL with a password"
    return ""


def secret(name: str, value: str) -> str:
    """The kind of secret in a variable, in words and without its value; empty for none."""
    if what := secret_in(value):
        return what
    told = not _SWITCH.fullmatch(value) and not _PLACE.fullmatch(value)
    return f"a value for `{name}`" if told and named_like_a_secret(name) else ""


def secret_in_command(command: str) -> str:
    """The kind of secret in a command line, its options and its variables; empty for none."""
    if what := secret_in(command):
        return what
    return next(
        (what for name, text in _OPTION.findall(command) if (what := secret(name, text))), ""
    )


def secret_in_unit(text: str) -> str:
    """The kind of secret in a unit file (`Environment=`, `SetCredential=`, commands); empty for none."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        name, _, value = line.partition("=")
        match name.strip():
            case "Environment":
                pairs = (word.partition("=") for word in _words(value))
                found = next((what for key, _, it in pairs if (what := secret(key, it))), "")
            case "SetCredential":
                key, _, it = value.strip().partition(":")
                found = secret(key, it)
            case directive if directive.startswith("Exec"):
                found = secret_in_command(value)
            case directive if directive.startswith(("#", ";")):
                continue
            case _:
                found = secret_in(value)
        if found:
            return f"{found}, in `{name.strip()}=`"
    return ""


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()
