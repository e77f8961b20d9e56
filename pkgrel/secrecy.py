"""Which variables look like secrets, by their names and values: for what would land where everybody reads.

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
# Only as what the name ends with: PRIVATE_IPV4 and PASS_THROUGH are none.
_SECRET_END = re.compile(r"KEYS?|PASS|PWD|PRIVATE|.*SECRETKEY|.*PRIVATEKEY")
# What a value is written in changes nothing.
_ENCODING = frozenset("PEM BASE64 B64 HEX DER JSON JWK BASE VALUE TEXT".split())
# Words at the end that say where the secret is, or how it is used.
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
# A file, as a credential or a mounted secret is; a variable or a secret that somebody fills in.
_PLACE = re.compile(r"/[\w./%@:-]+|file:.*|\$\{?\w+\}?|%d/.*")
# A port is not a password: http://host:80/@name
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{0,31})://[^\s/:@?#]{0,256}:(?!\d+(?:[/?#]|$))([^\s@]{1,256})@",
    re.IGNORECASE,
)
_OPTION = re.compile(r"(?:^|\s)[\"']?-{0,2}([A-Za-z][\w.-]*)=[\"']?([^\s\"']+)")
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY")


def named_like_a_secret(name: str) -> bool:
    """Whether a variable of this name usually holds one."""
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
    """What of a value gives access to something, in words; empty for nothing."""
    if _PRIVATE_KEY.search(text):
        return "a private key"
    for found in _URL.finditer(text):
        if not _PLACE.fullmatch(unquote(found[2])):
            return f"a `{found[1]}://` URL with a password"
    return ""


def secret(name: str, value: str) -> str:
    """What of a variable is secret, in words and without its value; empty for nothing."""
    if what := secret_in(value):
        return what
    told = not _SWITCH.fullmatch(value) and not _PLACE.fullmatch(value)
    return f"a value for `{name}`" if told and named_like_a_secret(name) else ""


def secret_in_command(command: str) -> str:
    """What of a command line is secret, with options and variables in it; empty for nothing."""
    if what := secret_in(command):
        return what
    return next(
        (what for name, text in _OPTION.findall(command) if (what := secret(name, text))), ""
    )


def secret_in_unit(text: str) -> str:
    """What of a unit file is secret: each `Environment=`, `SetCredential=` and command; empty for nothing."""
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
