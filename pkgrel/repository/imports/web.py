"""A foreign repository on a web server, perhaps one that wants to know who asks.

Who asks is said by a user and a token in the URL, by .netrc, by headers, or by a certificate. It is told to the
server of the URL alone: where that sends one elsewhere, as to an object store, nothing goes along. No message has
any of it.
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
"""Bytes a second, below which dnf gives up as well."""
# S3 says 403 of what is not there to those who may not list the bucket.
_MISSING = (403, 404, 410)
_NO_HEAD = (400, 403, 404, 405, 501)
"""What those say to HEAD that only know GET; an address signed for GET is forbidden to HEAD."""
_ELSEWHERE = (301, 302, 303, 307, 308)
_HOPS = 5
_ADDRESS = "%/:=&?~#+!$,;'@()*[]"
"""Characters of an address; some servers send others, such as blanks, as they are."""
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_CREDENTIALS = (
    "say who asks: `machine HOST login USER password TOKEN` in ~/.netrc, https://USER:TOKEN@HOST/…,"
    " PKGREL_FROM_HEADERS, or `--from-cert`"
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: Path | None = None
    """Of a client, PEM; perhaps with its key."""
    key: Path | None = None
    authorities: Path | None = None
    """Whose certificates of servers are believed, PEM; None for those of the machine."""


def read_headers(text: str) -> dict[str, str]:
    """Headers as `Name: value`, one a line; RepositoryError, without the line, if one is not."""
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
    """On a web server."""

    url: str
    access: Access = Access()
    pause: float = 0.2
    """Seconds between two attempts, four times as many each time."""
    patience: float = 60
    """Seconds without a byte, or with next to none."""

    @property
    def depth(self) -> int:
        """Folders above the repository, which a yum repository may name by `..`."""
        return len([part for part in urlsplit(self.url).path.split("/") if part])

    def relative(self, address: str) -> str | None:
        """The path of an absolute address; None if that is elsewhere."""
        try:
            here, there = urlsplit(self.url), urlsplit(address)
        except ValueError:
            return None
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return None
        return posixpath.relpath(unquote(there.path), here.path or "/")

    def named(self, href: str) -> str:
        """A part of an address, for dnf and so for us: some tools write `%2B` for `+`."""
        return unquote(href)

    def get(self, path: str) -> bytes | None:
        """The file, or None if there is none; a page for people is none."""
        return self.read(path, LIMITS.index)

    def read(self, path: str, most: int) -> bytes | None:
        """The same, of so many bytes at most."""

        def bounded(answer: Any) -> bytes | None:
            if _is_page(answer):
                return None
            data = b"".join(_pieces(answer, most + 1, self.patience))
            if len(data) > most:
                raise too_long(self.url, path, most)
            return data

        return self._asked(path, bounded)

    def size(self, path: str) -> int | None:
        """Bytes of the file, -1 if the server does not say; None if there is none."""

        def length(answer: Any) -> int | None:
            return None if _is_page(answer) else _length(answer)

        try:
            return self._asked(path, length, method="HEAD")
        except _NoHead:
            return self._asked(path, length)

    def file(self, path: str, folder: Path, size: int) -> Path:
        """A copy in the folder."""
        copy = folder / posixpath.basename(path)

        def save(answer: Any) -> Path | None:
            if _is_page(answer):
                return None
            with copy.open("wb") as out:
                # Of a longer one the index is wrong, and it may never end.
                out.writelines(_pieces(answer, size + 1, self.patience))
            return copy

        if self._asked(path, save) is None:
            raise missing(self.url, path)
        return copy

    def names(self, prefix: str) -> list[str] | None:
        """Web servers do not tell."""
        return None

    def _asked(self, path: str, use: Callable[[Any], T | None], method: str = "GET") -> T | None:
        """What `use` makes of the answer; None if there is no such file."""
        # Slow to import, and publish has this module too.
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
            except ValueError as e:  # an address that is none, perhaps of another server's
                problem = e
                break
            time.sleep(self.pause * 4**attempt if attempt < _ATTEMPTS - 1 else 0)
        reason = getattr(problem, "reason", None) or problem
        # Not `from problem`: its request has the headers.
        why = one_line(str(getattr(reason, "strerror", None) or reason))
        raise RepositoryError(f"{url}: {why}", hint=hint)


class _NoHead(Exception):
    """The server answers only GET."""


def open_web(url: str, access: Access) -> Web:
    """The repository at the URL, whose user and token become a header; else .netrc says them."""
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
    """User and password for the host; empty without. RepositoryError, without its text, if the file is broken."""
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
    """The address of a path, which may begin with `..`; a server may not take those for what they are."""
    parts = urlsplit(base)
    whole = posixpath.normpath(f"{parts.path}/{quote(path)}")
    return urlunsplit((parts.scheme, parts.netloc, whole, "", ""))


def _open(url: str, access: Access, method: str, patience: float) -> Any:
    """The answer; goes where the server sends, as somebody unknown if that is another server."""
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
    """Bytes that the answer says it has; -1 if it does not."""
    said = answer.headers.get("Content-Length", "")
    return int(said) if re.fullmatch("[0-9]{1,18}", said) else -1


def _pieces(answer: Any, most: int, patience: float) -> Iterator[bytes]:
    """So many bytes at most, as they come; OSError if fewer come than were said, or next to nothing does."""
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
    """Whether it is a page for people, which some servers send for everything that is not there."""
    kind = answer.headers.get("Content-Type", "").lower()
    return bool(kind.startswith(("text/html", "application/xhtml")))


def too_long(url: str, path: str, most: int = LIMITS.index) -> RepositoryError:
    """For an index that has no end."""
    return RepositoryError(
        f"{url}/{path}: has more than {most >> 20} MiB, or never ends",
        hint="check the URL: an index of a repository is smaller",
    )


def missing(url: str, path: str) -> RepositoryError:
    """For what an index names."""
    return RepositoryError(
        f"{url}: `{path}` is missing, and an index names it",
        hint="the repository is broken there: mend it with the tool that made it",
    )
