"""Reads another tool's repository from a web server, with authentication if necessary.

Credentials are a user and token in the URL, .netrc, headers, or a client certificate. They are sent only to the server
of the URL, not to another one that it redirects to, such as an object store. No message contains them.
"""

from __future__ import annotations

import os
import posixpath
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from pkgrel.console import one_line
from pkgrel.errors import RepositoryError
from pkgrel.limits import LIMITS

T = TypeVar("T")

_ATTEMPTS = 4
_SLOWEST = 1000
"""Minimum bytes per second, the same as dnf's."""
# S3 returns 403 for a missing object if the user may not list the bucket.
_MISSING = (403, 404, 410)
_NO_HEAD = (400, 403, 404, 405, 501)
"""Responses to HEAD that suggest a GET: servers may not support HEAD, and presigned URLs are valid for one method."""
_ELSEWHERE = (301, 302, 303, 307, 308)
_HOPS = 5
_ADDRESS = "%/:=&?~#+!$,;'@()*[]"
"""Characters of a URL; some servers send others, such as spaces, unescaped in Location."""
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_CREDENTIALS = (
    "say who asks: `machine HOST login USER password TOKEN` in ~/.netrc, https://USER:TOKEN@HOST/…,"
    " PKGREL_FROM_HEADERS, or `--from-cert`"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials, and certificate authorities."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: Path | None = None
    """A client certificate in PEM format, optionally with its key."""
    key: Path | None = None
    authorities: Path | None = None
    """Trusted certificate authorities in PEM format; None for the system's."""


def read_headers(text: str) -> dict[str, str]:
    """Parse headers of the form `Name: value`, one per line; RepositoryError, not showing the line, if invalid."""
    found = {}
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        match = _HEADER.fullmatch(line)
        if not match:
            raise RepositoryError(
                f"PKGREL_FROM_HEADERS: line {number} is not `Name: value`",
                hint="one header a line, such as `Authorization: Bearer TOKEN`",
            )
        found[match[1]] = match[2].strip()
    return found


@dataclass(frozen=True, slots=True)
class Web:
    """A repository on a web server."""

    url: str
    access: Access = Access()
    pause: float = 0.2
    """Seconds before the first retry; four times as long before each further one."""
    patience: float = 60
    """Timeout in seconds, also for a transfer that is too slow."""

    @property
    def depth(self) -> int:
        """The number of folders above the repository, which a yum repository may refer to by `..`."""
        return len([part for part in urlsplit(self.url).path.split("/") if part])

    def relative(self, address: str) -> str | None:
        """The path of an absolute URL; None if it is on another server."""
        try:
            here, there = urlsplit(self.url), urlsplit(address)
        except ValueError:
            return None
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return None
        return posixpath.relpath(unquote(there.path), here.path or "/")

    def named(self, href: str) -> str:
        """The unescaped path, as dnf resolves an href: some tools write `%2B` for `+`."""
        return unquote(href)

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none; an HTML page counts as none."""
        return self.read(path, LIMITS.index)

    def read(self, path: str, most: int) -> bytes | None:
        """The same with a maximum size in bytes."""

        def bounded(answer: Any) -> bytes | None:
            if _is_page(answer):
                return None
            data = b"".join(_pieces(answer, most + 1, self.patience))
            if len(data) > most:
                raise too_long(self.url, path, most)
            return data

        return self._asked(path, bounded)

    def size(self, path: str) -> int | None:
        """Bytes of the file, -1 if the server does not say; None if it does not exist."""

        def length(answer: Any) -> int | None:
            return None if _is_page(answer) else _length(answer)

        try:
            return self._asked(path, length, method="HEAD")
        except _NoHead:
            return self._asked(path, length)

    def file(self, path: str, folder: Path, size: int) -> Path:
        """Download the file into the folder."""
        copy = folder / posixpath.basename(path)

        def save(answer: Any) -> Path | None:
            if _is_page(answer):
                return None
            with copy.open("wb") as out:
                # One byte more shows that it is longer than its index says; it may be endless.
                out.writelines(_pieces(answer, size + 1, self.patience))
            return copy

        if self._asked(path, save) is None:
            raise missing(self.url, path)
        return copy

    def names(self, prefix: str) -> list[str] | None:
        """None: web servers do not list files."""
        return None

    def _asked(self, path: str, use: Callable[[Any], T | None], method: str = "GET") -> T | None:
        """Request a file and return the result of `use`; None if the file does not exist."""
        # Imported here because they are slow to import, and publish imports this module.
        import urllib.error
        from http.client import HTTPException

        url = _joined(self.url, path)
        problem: Exception | None = None
        hint = "check the URL and the network; running the command again goes on where it stopped"
        for attempt in range(_ATTEMPTS):
            try:
                with _open(url, self.access, method, self.patience) as answer:
                    return use(answer)
            except urllib.error.HTTPError as e:
                e.close()
                if method == "HEAD" and e.code in _NO_HEAD:
                    raise _NoHead from None
                if e.code in _MISSING:
                    return None
                problem = e
                hint = _CREDENTIALS if e.code in (401, 407) else hint
                if e.code < 500 and e.code != 429:
                    break
            except (OSError, HTTPException) as e:
                problem = e
            except ValueError as e:  # an invalid URL, perhaps from a redirect
                problem = e
                break
            time.sleep(self.pause * 4**attempt if attempt < _ATTEMPTS - 1 else 0)
        reason = getattr(problem, "reason", None) or problem
        # Not `from problem`, whose request contains the headers.
        why = one_line(str(getattr(reason, "strerror", None) or reason))
        raise RepositoryError(f"{url}: {why}", hint=hint)


class _NoHead(Exception):
    """The server does not support HEAD for this file."""


def open_web(url: str, access: Access) -> Web:
    """The repository at the URL; credentials in the URL, or else in .netrc, become a header."""
    try:
        parts = urlsplit(url.rstrip("/"))
    except ValueError as e:
        shown = re.sub("//.*@", "//", url)
        raise RepositoryError(f"`{shown}`: {e}", hint="write https://HOST/FOLDER") from None
    host = parts.netloc.rpartition("@")[2]
    shown = urlunsplit((parts.scheme, host, parts.path, "", ""))
    headers = dict(access.headers)
    known = {name.lower() for name in headers}
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user and not password and parts.scheme == "https":
        user, password = _netrc(parts.hostname or "")
    if (user or password) and "authorization" not in known:
        headers["Authorization"] = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    return Web(shown, Access(headers, access.certificate, access.key, access.authorities))


def _netrc(host: str) -> tuple[str, str]:
    """User and password for the host, empty if unknown. RepositoryError, without content, if the file is invalid."""
    import netrc

    file = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        found = netrc.netrc(file).authenticators(host) if file.is_file() else None
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as e:
        line = getattr(e, "lineno", None)
        where = f"{file}:{line}" if line else str(file)
        raise RepositoryError(
            f"{where}: cannot be read", hint="`machine HOST login USER password TOKEN`"
        ) from None
    return (found[0], found[2] or "") if found else ("", "")


def _joined(base: str, path: str) -> str:
    """The URL of a path; `..` is resolved here, since servers may not do so."""
    parts = urlsplit(base)
    whole = posixpath.normpath(f"{parts.path}/{quote(path)}")
    return urlunsplit((parts.scheme, parts.netloc, whole, "", ""))


def _open(url: str, access: Access, method: str, patience: float) -> Any:
    """Open the URL; follows redirects, but without credentials to another server."""
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def http_error_302(self, *_: object, **__: object) -> None:
            return None

        http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    at_home, headers = access, dict(access.headers)
    for _ in range(_HOPS):
        https = urllib.request.HTTPSHandler(context=_context(at_home))
        opener = urllib.request.build_opener(Stay, https)
        request = urllib.request.Request(url, headers=headers, method=method)
        try:
            return opener.open(request, timeout=patience)
        except urllib.error.HTTPError as e:
            if e.code not in _ELSEWHERE or not (to := e.headers.get("Location")):
                raise
            e.close()
        target = urljoin(url, quote(to, safe=_ADDRESS))
        old, new = urlsplit(url), urlsplit(target)
        if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
            raise RepositoryError(
                f"{url}: sends to `{new.scheme}:`, which is not encrypted, or no address of the web",
                hint="name the address that it means",
            )
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            at_home, headers = Access(authorities=access.authorities), {}
        url = target
    raise RepositoryError(
        f"{url}: sends from one address to another without end", hint="mend that server"
    )


def _context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=str(access.authorities) if access.authorities else None
        )
        if access.certificate:
            context.load_cert_chain(access.certificate, access.key, password=lambda: "")
    except (OSError, ssl.SSLError) as e:
        what = access.certificate or access.authorities
        raise RepositoryError(
            f"{what}: is not a certificate that can be used: {e}",
            hint="PEM, and a key without a passphrase: `--from-cert FILE --from-cert-key FILE`",
        ) from None
    return context


def _length(answer: Any) -> int:
    """Content-Length; -1 if it is missing."""
    said = answer.headers.get("Content-Length", "")
    return int(said) if re.fullmatch("[0-9]{1,18}", said) else -1


def _pieces(answer: Any, most: int, patience: float) -> Iterator[bytes]:
    """Up to `most` bytes in chunks; OSError if the transfer ends early or is too slow."""
    began, got, said = time.monotonic(), 0, _length(answer)
    while got < most and (piece := answer.read1(min(most - got, 1 << 20))):
        got += len(piece)
        yield piece
        waited = time.monotonic() - began
        if waited > patience and got < waited * _SLOWEST:
            raise TimeoutError("sends less than a kilobyte a second")
    if got < min(most, said):
        raise ConnectionError(f"ended after {got} of {said} bytes")


def _is_page(answer: Any) -> bool:
    """Whether it is an HTML page, which some servers send instead of 404."""
    kind = answer.headers.get("Content-Type", "").lower()
    return bool(kind.startswith(("text/html", "application/xhtml")))


def too_long(url: str, path: str, most: int = LIMITS.index) -> RepositoryError:
    """The error for an index that is too long."""
    return RepositoryError(
        f"{url}/{path}: has more than {most >> 20} MiB, or never ends",
        hint="check the URL: an index of a repository is smaller",
    )


def missing(url: str, path: str) -> RepositoryError:
    """The error for a missing file that an index refers to."""
    return RepositoryError(
        f"{url}: `{path}` is missing, and an index names it",
        hint="the repository is broken there: mend it with the tool that made it",
    )
