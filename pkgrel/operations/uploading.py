"""`pkgrel publish --upload`: uploads finished packages one by one to a server by HTTP.

    operations.upload([Path("dist/hello.deb")], settings, signer=operations.signer("key.asc"))

Values of environment variables (`$NAME`) do not appear in messages, and redirects of an upload are not followed.
Source: RFC 9110; RFC 7578 for forms; for each preset see `uploads.toml`.
"""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from http.client import HTTPException
from importlib.resources import files as resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pkgrel import distro as table
from pkgrel import scratch
from pkgrel.artifact import resigned
from pkgrel.config.delivery import UploadMethod, UploadSettings
from pkgrel.console import amount, one_line
from pkgrel.errors import RepositoryError, did_you_mean
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository import publishing
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.publishing import Item
from pkgrel.repository.store.traffic import told
from pkgrel.signing import Signer

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_PLACE = re.compile(r"\{([a-z0-9]+)\}")
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e]*)")
_STEP = re.compile(r"([A-Za-z_]+)(?:\[([A-Za-z_]+)=([^]]*)\])?")
_SECONDS = 60
_ATTEMPTS = 4
_PIECE = 1 << 16
_LONGEST_ANSWER = 16 << 20
SERVER_ERRORS = 500
_BUSY = 429


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The result for a file."""

    path: Path
    url: str
    """The URL without values of environment variables."""
    was_there: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """A preset; empty without one."""

    values: Mapping[str, Any]

    def get(self, key: str, format: str, default: Any = "") -> Any:
        """The value of a key for a format."""
        return self.values.get(f"{key}-{format}", self.values.get(key, default))


def upload(
    files: Sequence[Path],
    settings: UploadSettings,
    *,
    channel: str = "stable",
    distros: Sequence[str] = (),
    signer: Signer | None = None,
    sign_packages: bool = True,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> list[Uploaded]:
    """Upload the files; those that the server already has are skipped. RepositoryError at the first refusal.

    With a signer, each .rpm is signed before the upload.
    """
    items = publishing.read(files, table.select(distros), channel)
    row = _preset(settings.preset)
    # Check all templates before anything is sent.
    plans = [_Plan(settings, row, item) for item in items]
    if dry_run:
        return [Uploaded(plan.item.artifact.file, plan.shown, False) for plan in plans]
    done = []
    with scratch.folder() as folder, reporter.parts():
        for number, plan in enumerate(plans):
            file = plan.item.artifact.file
            if signer and sign_packages:
                plan = replace(plan, item=_signed(plan.item, signer, folder / str(number)))
            # The path of the given file, not of its signed copy.
            done.append(replace(plan.send(reporter), path=file))
    return done


def from_template(url: str) -> UploadSettings:
    """Settings from only a URL; PKGREL_UPLOAD_HEADERS has headers, one per line."""
    headers = os.environ.get("PKGREL_UPLOAD_HEADERS", "")
    return UploadSettings(
        url=url, headers=tuple(filter(None, map(str.strip, headers.splitlines())))
    )


@cache
def _presets() -> dict[str, dict[str, Any]]:
    text = resources("pkgrel.operations").joinpath("uploads.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _preset(name: str) -> _Row:
    if not name:
        return _Row({})
    if name not in _presets():
        raise RepositoryError(
            f"there is no preset `{name}` for uploads",
            hint=did_you_mean(name, _presets(), otherwise=f"there are {', '.join(_presets())}"),
        )
    return _Row(_presets()[name])


def _signed(item: Item, signer: Signer, folder: Path) -> Item:
    folder.mkdir()
    output = folder / item.artifact.file.name
    if not repository_kind(item.place.format).sign_package(item.artifact.file, signer, output):
        return item
    return replace(item, artifact=resigned(item.artifact, output))


@dataclass(frozen=True, slots=True)
class _Plan:
    """The upload of one file."""

    settings: UploadSettings
    row: _Row
    item: Item

    def __post_init__(self) -> None:
        self._url({"found": "", "answer": ""})
        self._headers({"found": "", "answer": ""})

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return one_line(self._filled(self._template("url"), {"found": "…"}, is_url=True))

    def send(self, reporter: Reporter) -> Uploaded:
        """Upload the file, with the preset's requests before and after it."""
        artifact = self.item.artifact
        name = artifact.file.name
        reporter.step(name, f"uploading {amount(artifact.size)}")
        count = _Count()
        try:
            with told(count.sent, reporter, name, artifact.size):
                was_there = self._send(count)
        except BaseException:
            reporter.ended(name, "not uploaded")
            raise
        reporter.ended(name, "there already" if was_there else f"uploaded, {amount(artifact.size)}")
        return Uploaded(artifact.file, self.shown, was_there)

    def _send(self, count: _Count) -> bool:
        known: dict[str, str] = {}
        if lookup := self._get("lookup"):
            answer = self._request("GET", self._expanded(lookup, known, is_url=True), known)
            known["found"] = self._select(answer, self._filled(self._get("found"), known))
        method = self.settings.method or UploadMethod(self._get("method") or "PUT")
        answer = self._request(method.value, self._url(known), known, body=self._body(known, count))
        if answer is None:
            return True
        if confirm := self._get("confirm"):
            known["answer"] = self._select(answer, self._get("answer"))
            body = {key: self._filled(text, known) for key, text in self._get("body").items()}
            url = self._expanded(confirm, known, is_url=True)
            return self._request("POST", url, known, as_json=body) is None
        return False

    def _request(
        self,
        method: str,
        url: str,
        known: Mapping[str, str],
        *,
        body: _Body | None = None,
        as_json: Any = None,
    ) -> bytes | None:
        """The response body; None if the server already has the file. RepositoryError for other refusals."""
        headers = {"User-Agent": "pkgrel", **self._headers(known)}
        said = ""
        for attempt in range(_ATTEMPTS):
            data: Any = None
            if as_json is not None:
                data = json.dumps(as_json).encode()
                headers["Content-Type"] = "application/json"
            elif body:
                data = iter(body)
                headers |= {"Content-Length": str(len(body)), "Content-Type": body.type(headers)}
            try:
                request = urllib.request.Request(url, data, headers, method=method)
                with _OPENER.open(request, timeout=_SECONDS) as answer:
                    return bytes(answer.read(_LONGEST_ANSWER))
            except urllib.error.HTTPError as e:
                with e:
                    text = e.read(_PIECE).decode(errors="replace")
                if e.code in self._get("exists", ()) or (self._get("taken") or "\0") in text:
                    return None
                said = f"{e.code} {one_line(str(e.reason))}: {one_line(text)[:300]}".rstrip(": ")
                if e.code < SERVER_ERRORS and e.code != _BUSY:
                    break
            except urllib.error.URLError as e:
                said = one_line(str(e.reason))
            except (HTTPException, OSError, ValueError) as e:  # some contain the URL
                said = type(e).__name__
            time.sleep(0.2 * 4**attempt if attempt < _ATTEMPTS - 1 else 0)
        raise self._refused(said)

    def _refused(self, said: str) -> RepositoryError:
        for value in self._secrets():
            said = said.replace(value, "…")
        return RepositoryError(
            f"{self.item.artifact.file.name}: {self.shown}: {said}",
            hint="look at the address, and at the variables that its headers name; what is there already stays",
        )

    def _secrets(self) -> Iterator[str]:
        for text in (self._template("url"), *self._header_lines(), *self.settings.fields):
            for match in _VARIABLE.finditer(text):
                if value := os.environ.get(match[1] or match[2], "").strip():
                    yield value

    def _select(self, answer: bytes | None, path: str) -> str:
        """Extract a value from JSON by path: `deb[index_name=debian].versions[index_name=bookworm].id`."""
        try:
            found: Any = json.loads(answer or b"")
            for step in path.split("."):
                key, where, wanted = _STEP.fullmatch(step).groups()  # type: ignore[union-attr]
                found = found[key]
                if where:
                    found = next(each for each in found if str(each[where]) == wanted)
        except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
            raise self._refused(f"the server knows no `{path}`") from None
        return str(found)

    def _get(self, key: str, default: Any = "") -> Any:
        return self.row.get(key, str(self.item.place.format), default)

    def _template(self, key: str) -> str:
        text: str = self.settings.url or self._get(key)
        if not text:
            raise RepositoryError("an upload has no `url`", hint="name one, or a `preset`")
        if not re.match(r"https?://|\{server\}|\{uploads\}", text):
            raise RepositoryError("the `url` of an upload does not begin with https://")
        return text

    def _url(self, known: Mapping[str, str]) -> str:
        return self._expanded(self._template("url"), known, is_url=True)

    def _header_lines(self) -> tuple[str, ...]:
        return (*self._get("headers", ()), *self.settings.headers)

    def _headers(self, known: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        given = {line.partition(":")[0].lower() for line in self.settings.headers}
        for number, line in enumerate(self._header_lines()):
            is_own = number >= len(self._get("headers", ()))
            if not is_own and line.partition(":")[0].lower() in given:
                continue  # overridden by the settings
            match = _HEADER.fullmatch(self._expanded(line, known))
            if not match:
                raise RepositoryError(
                    f"header {number + 1} of an upload is not `Name: value`",
                    hint="such as `Authorization: Bearer $TOKEN`",
                )
            if match[2].strip():  # an empty header removes the preset's
                found[match[1]] = match[2].strip()
        return found

    def _body(self, known: Mapping[str, str], count: _Count) -> _Body:
        form = self.settings.form or self._get("form")
        fields = {}
        for line in self.settings.fields or self._get("fields", ()):
            name, _, value = line.partition("=")
            fields[name] = self._expanded(value, known)
        return _Body(self.item.artifact.file, form, fields, count)

    def _expanded(self, template: str, known: Mapping[str, str], *, is_url: bool = False) -> str:
        """Expand placeholders and environment variables."""

        def variable(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if not (value := os.environ.get(name, "").strip()):
                raise RepositoryError(f"an upload needs the variable {name}, which is not set")
            return quote(value, safe="") if is_url else value

        return _VARIABLE.sub(variable, self._filled(template, known, is_url=is_url))

    def _filled(self, template: str, known: Mapping[str, str], *, is_url: bool = False) -> str:
        values = {**self._values(), **known}

        def place(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise RepositoryError(
                    f"an upload has `{{{match[1]}}}`, which is nothing",
                    hint=did_you_mean(match[1], values, otherwise=f"known are {', '.join(values)}"),
                )
            value = values[match[1]]
            if not value and match[1] not in known and match[1] != "codename":
                raise RepositoryError(f"an upload has `{{{match[1]}}}`, which is not set")
            return (
                quote(value, safe="") if is_url and match[1] not in ("server", "uploads") else value
            )

        return _PLACE.sub(place, template)

    def _values(self) -> dict[str, str]:
        artifact, place, settings = self.item.artifact, self.item.place, self.settings
        distro = place.row
        return {
            "file": artifact.file.name,
            "name": artifact.name,
            "version": str(artifact.version),
            "upstream": artifact.version.upstream,
            "revision": artifact.version.revision,
            "architecture": artifact.architecture,
            "format": str(place.format),
            "distro": distro.id,
            "family": distro.family,
            "codename": distro.codename,
            "release": distro.codename or distro.version,
            "channel": place.channel,
            "sha256": artifact.sha256,
            "size": str(artifact.size),
            "server": (settings.server or self._get("server")).rstrip("/"),
            "uploads": (settings.server or self._get("uploads")).rstrip("/"),
            "owner": settings.owner,
            "repository": settings.repository,
            "tag": settings.tag.replace("{upstream}", artifact.version.upstream)
            or f"v{artifact.version.upstream}",
        }


@dataclass(slots=True)
class _Count:
    """Counts bytes of a file that were passed to the connection."""

    bytes: int = 0

    def sent(self) -> int:
        """The number of bytes in the current attempt."""
        return self.bytes


@dataclass(frozen=True, slots=True)
class _Body:
    """The request body in chunks: the file, or a form that contains it; can be iterated again for a retry."""

    file: Path
    form: str
    fields: Mapping[str, str]
    count: _Count
    boundary: str = "pkgrel"

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundary", f"pkgrel-{uuid.uuid4().hex}")

    def type(self, headers: Mapping[str, str]) -> str:
        """Content-Type, unless a header sets it."""
        if self.form:
            return f"multipart/form-data; boundary={self.boundary}"
        return headers.get("Content-Type", "application/octet-stream")

    def __len__(self) -> int:
        return len(self._begin()) + self.file.stat().st_size + len(self._end())

    def __iter__(self) -> Iterator[bytes]:
        self.count.bytes = 0
        yield self._begin()
        with self.file.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
                self.count.bytes += len(piece)
        yield self._end()

    def _begin(self) -> bytes:
        if not self.form:
            return b""
        parts = [
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in self.fields.items()
        ]
        parts.append(
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{self.form}"; '
            f'filename="{self.file.name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        return "".join(parts).encode()

    def _end(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode() if self.form else b""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Sends the token only to the configured URL."""

    def redirect_request(self, *_: object) -> None:
        """Treat a redirect as an error."""


_OPENER = urllib.request.build_opener(_NoRedirect)
