"""The bill of materials: what the package contains, and which libraries of the host it loads.

It states only what is known: the origin of an application only if a lock file names it for this version. It has no
serial number, and its time is the package's, so the same inputs give the same file.

Lock files of a project say where its dependencies come from. They are read line by line, as their tools write them,
so that Elixir need not run; a line that is not understood is left out.

Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/; package URLs,
https://github.com/package-url/purl-spec, types hex, otp, npm, github, generic, deb and rpm; Erlang/OTP and
Elixir are under Apache-2.0 (OTP since version 18); mix.lock as Hex.SCM and Mix.SCM.Git write it; rebar.lock,
https://rebar3.org/docs/configuration/dependencies; package-lock.json,
https://docs.npmjs.com/cli/configuring-npm/package-lock-json (versions 2 and 3).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pkgrel import git
from pkgrel.distro import Distro, Format, libraries, unsupported
from pkgrel.package import Version
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import Application
from pkgrel.release.native import library_names

Component = dict[str, Any]

_OTP = frozenset(
    """asn1 common_test compiler crypto debugger dialyzer diameter edoc eldap erl_docgen erl_interface et eunit ftp
    inets jinterface kernel megaco mnesia observer odbc os_mon parsetools public_key reltool runtime_tools sasl snmp
    ssh ssl stdlib syntax_tools tftp tools wx xmerl hipe""".split()
)
_ELIXIR = frozenset("eex elixir ex_unit iex logger mix".split())
_OTP_URL = "https://github.com/erlang/otp"
_ELIXIR_URL = "https://github.com/elixir-lang/elixir"
_APACHE = "Apache-2.0"
_EXPRESSION = re.compile(r"[A-Za-z0-9.+: ()-]+")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
"""An identifier or expression of SPDX; anything else is a name."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def make_bill(inputs: Inputs, version: Version) -> bytes:
    """The CycloneDX document."""
    release, settings = inputs.release, inputs.config.package
    components = [
        _of_otp("erlang-otp", release.otp, purl=False),
        _of_otp("erts", release.erts),
        *_applications(inputs),
        *_npm(inputs),
        *_libraries(inputs),
    ]
    about: Component = {
        "type": "application",
        "bom-ref": inputs.layout.name,
        "name": inputs.layout.name,
        "version": str(version),
        "licenses": _licences(settings.license),
    }
    if purl := _of_package(inputs, version):
        about["purl"] = purl
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(inputs.build_time, UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "component": about,
        },
        "components": components,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _licences(text: str) -> list[dict[str, Any]]:
    """A licence as an SPDX expression, or by name."""
    if not text:
        return []
    if _EXPRESSION.fullmatch(text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


def _named_licences(names: Sequence[str]) -> list[dict[str, Any]]:
    """The licences; Hex does not say whether several are alternatives."""
    if len(names) == 1 and _IDENTIFIER.fullmatch(names[0]):
        return _licences(names[0])
    return [{"license": {"name": name}} for name in names]


def _component(name: str, version: str, purl: str = "", **more: Any) -> Component:
    known = {key: value for key, value in more.items() if value}
    return {
        "type": "library",
        "bom-ref": purl or f"{name}@{version}",
        "name": name,
        "version": version,
        **({"purl": purl} if purl else {}),
        **known,
    }


def _purl(*path: str, version: str = "", **qualifiers: str) -> str:
    text = "pkg:" + "/".join(quote(part, safe="") for part in path if part)
    if version:
        text += f"@{quote(version, safe=':')}"
    given = (
        f"{key}={quote(value, safe=':/')}" for key, value in sorted(qualifiers.items()) if value
    )
    return "?".join(filter(None, (text, "&".join(given))))


def _of_otp(name: str, version: str, *, url: str = _OTP_URL, purl: bool = True) -> Component:
    text = _purl("otp", name, version=version, repository_url=url) if purl else ""
    return _component(name, version, text, licenses=_licences(_APACHE))


def _applications(inputs: Inputs) -> Iterator[Component]:
    # For a project these are the files that it was built with; those beside pkgrel.toml may be of another version.
    locked = applications(inputs.project or inputs.folder)
    for app in inputs.release.applications:
        if app.name in _ELIXIR and inputs.release.elixir == app.version:
            yield _of_otp(app.name, app.version, url=_ELIXIR_URL)
        elif app.name in locked:
            component = _locked(app, locked[app.name], built=inputs.project is not None)
            named = _named_licences(inputs.licences.get((app.name, app.version), ()))
            yield {**component, "licenses": named} if named else component
        elif app.name in _OTP:
            yield _of_otp(app.name, app.version)
        else:
            yield _component(app.name, app.version)


def _locked(app: Application, origin: Hex | Git, *, built: bool) -> Component:
    match origin:
        case Hex(version=version) if version == app.version:
            return _of_hex(app, origin)
        case Git() if built and (url := git.public_url(origin.url)):
            return _of_git(app, url, origin.commit)
    return _component(app.name, app.version)


def _of_hex(app: Application, origin: Hex) -> Component:
    known, _, organisation = origin.repository.partition(":")
    if known != "hexpm":  # the lock does not say where such a repository is
        return _component(app.name, app.version, hashes=_hashes("SHA-256", origin.sha256))
    purl = _purl("hex", organisation, origin.name, version=app.version)
    return _component(app.name, app.version, purl, hashes=_hashes("SHA-256", origin.sha256))


def _of_git(app: Application, url: str, commit: str) -> Component:
    parts = urlsplit(url)
    path = parts.path.strip("/").removesuffix(".git")
    if parts.hostname == "github.com" and path.count("/") == 1:
        purl = _purl("github", *path.lower().split("/"), version=commit)
    else:
        purl = _purl("generic", app.name, version=app.version, vcs_url=f"git+{url}@{commit}")
    references = [{"type": "vcs", "url": url, "comment": commit}]
    return _component(app.name, app.version, purl, externalReferences=references)


def _hashes(kind: str, content: str) -> list[dict[str, str]]:
    return [{"alg": kind, "content": content}] if content else []


def _npm(inputs: Inputs) -> Iterator[Component]:
    """Packages of npm that the assets may contain: only the bundler knows which of them it used."""
    if inputs.project is None or not any(
        re.match(r"lib/[^/]+/priv/static/", entry.path) for entry in inputs.release.entries
    ):
        return
    for item in npm_packages(inputs.project):
        yield _of_npm(item)


def _of_npm(item: Npm) -> Component:
    purl = _purl("npm", *item.name.split("/"), version=item.version)
    return _component(
        item.name,
        item.version,
        purl,
        scope="optional",
        hashes=_hashes("SHA-512", item.sha512),
        licenses=_licences(item.license),
    )


def _libraries(inputs: Inputs) -> Iterator[Component]:
    """Libraries of the host; without versions, because the distro updates them."""
    release, distro = inputs.release, inputs.distro
    native = [file for file in release.native if file.architecture == release.architecture]
    bundled = library_names(native, release.entries)
    needed = {soname for file in native for soname in file.needed} - bundled
    for soname in sorted(needed):
        purl = _of_library(soname, distro, release.architecture, inputs.config.package.libraries)
        component: Component = {
            "type": "library",
            "bom-ref": f"soname:{soname}",
            "name": soname,
            "scope": "required",
            "properties": [{"name": "pkgrel:provided-by", "value": distro.id}],
        }
        yield {**component, "purl": purl} if purl else component


def _of_library(soname: str, distro: Distro, architecture: str, mapped: Mapping[str, str]) -> str:
    """The package that provides it; nothing for an .rpm, which requires the soname itself."""
    match distro.format:
        case Format.DEB:
            text = mapped.get(soname) or libraries.relation(distro, soname, architecture)
            name = re.split(r"[ |,(:]", text.strip(), maxsplit=1)[0]
            return _of_distro(distro, name, "", architecture) if name else ""
        case Format.RPM:
            return ""
        case _:
            raise unsupported(distro.format)


def _of_package(inputs: Inputs, version: Version) -> str:
    """The package URL, only if there is a vendor: without one it would name a package of the distro's."""
    vendor = re.sub(r"[^a-z0-9.-]+", "-", inputs.config.package.vendor.lower()).strip("-.")
    if not vendor:
        return ""
    return _of_distro(
        inputs.distro, inputs.layout.name, str(version), inputs.release.architecture, vendor
    )


_NAMESPACES = {"el": "redhat", "amazon": "amzn", "suse": "opensuse"}


def _of_distro(distro: Distro, name: str, version: str, architecture: str, vendor: str = "") -> str:
    namespace = vendor or _NAMESPACES.get(distro.family, distro.family)
    match distro.format:
        case Format.DEB:
            arch = _ARCHITECTURES.get(architecture, architecture)
        case Format.RPM:
            arch = architecture
        case _:
            raise unsupported(distro.format)
    given = f"{distro.family}-{distro.version}"
    return _purl(str(distro.format), namespace, name, version=version, arch=arch, distro=given)


_MIX_HEX = re.compile(
    r'\s*"(?P<app>\w+)": \{:hex, :"?(?P<name>\w+)"?, "(?P<version>[^"]+)", "[0-9a-f]*", .*\],'
    r' "(?P<repository>[^"]+)"(?:, "(?P<sha256>[0-9a-f]{64})")?\},?\s*'
)
_MIX_GIT = re.compile(r'\s*"(?P<app>\w+)": \{:git, "(?P<url>[^"]+)", "(?P<commit>[0-9a-f]{40,64})"')
_REBAR_HEX = re.compile(
    r'\{<<"(?P<app>\w+)">>,\s*\{pkg,\s*<<"(?P<name>\w+)">>,\s*<<"(?P<version>[^"]+)">>'
)
_REBAR_GIT = re.compile(
    r'\{<<"(?P<app>\w+)">>,\s*\{git,\s*"(?P<url>[^"]+)",\s*\{ref,\s*"(?P<commit>[0-9a-f]{40,64})"'
)
_REBAR_HASH = re.compile(r'\{<<"(?P<app>\w+)">>,\s*<<"(?P<sha256>[0-9A-Fa-f]{64})">>\}')
_LARGEST = 16 << 20
"""The largest lock file that is read, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hex:
    """A Hex package that an application comes from."""

    name: str
    version: str
    repository: str = "hexpm"
    """`hexpm`, `hexpm:ORGANISATION`, or the name of a self-hosted repository."""
    sha256: str = ""
    """Of its tarball."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """A git commit that an application comes from."""

    url: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Npm:
    """An npm package that assets may have been built with."""

    name: str
    version: str
    license: str = ""
    sha512: str = ""
    """Of its tarball, in hexadecimal."""


def applications(folder: Path) -> dict[str, Hex | Git]:
    """The origin of each locked application."""
    found: dict[str, Hex | Git] = {}
    for line in _text(folder / "mix.lock").splitlines():
        if match := _MIX_HEX.fullmatch(line):
            app, sha256 = match["app"], match["sha256"] or ""
            found[app] = Hex(
                name=match["name"],
                version=match["version"],
                repository=match["repository"],
                sha256=sha256,
            )
        elif match := _MIX_GIT.match(line):
            found[match["app"]] = Git(url=match["url"], commit=match["commit"])
    return found or _of_rebar3(_text(folder / "rebar.lock"))


def _of_rebar3(text: str) -> dict[str, Hex | Git]:
    # The second table of hashes is that of the tarballs.
    outer = text.partition("pkg_hash_ext")[2]
    hashes = {match["app"]: match["sha256"].lower() for match in _REBAR_HASH.finditer(outer)}
    found: dict[str, Hex | Git] = {
        match["app"]: Git(url=match["url"], commit=match["commit"])
        for match in _REBAR_GIT.finditer(text)
    }
    for match in _REBAR_HEX.finditer(text):
        found[match["app"]] = Hex(
            name=match["name"], version=match["version"], sha256=hashes.get(match["app"], "")
        )
    return found


def npm_packages(folder: Path) -> tuple[Npm, ...]:
    """Packages of package-lock.json, sorted, without those for development; of the assets or the project's folder."""
    for file in (folder / "assets/package-lock.json", folder / "package-lock.json"):
        try:
            packages = json.loads(_text(file) or "{}").get("packages")
            found = set(_locked_by_npm(packages)) if isinstance(packages, dict) else set()
        except (ValueError, AttributeError, RecursionError):
            continue
        if found:
            return tuple(sorted(found, key=lambda each: (each.name, each.version)))
    return ()


def _locked_by_npm(packages: dict[str, Any]) -> Iterator[Npm]:
    for path, item in packages.items():
        name = path.rpartition("node_modules/")[2]
        # A link is a folder of the project.
        if not name or name == path or item.get("link") or item.get("dev"):
            continue
        version, license = item.get("version"), item.get("license")
        if isinstance(version, str):
            yield Npm(
                name=name,
                version=version,
                license=license if isinstance(license, str) else "",
                sha512=_sha512(str(item.get("integrity", ""))),
            )


def _sha512(integrity: str) -> str:
    for each in integrity.split():
        kind, _, text = each.partition("-")
        if kind == "sha512":
            try:
                return base64.b64decode(text, validate=True).hex()
            except binascii.Error:
                return ""
    return ""


def _text(file: Path) -> str:
    """The text of a lock file; empty if it is missing, too large or unreadable."""
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
