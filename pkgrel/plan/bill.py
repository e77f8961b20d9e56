"""The bill of materials: what the package has in it, and which libraries of the host it loads.

It says what is known: where an application is from only if a lock file says so of this version. It has no serial
number, and the time of the package: the same inputs give the same file.

Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/; package URLs, https://github.com/package-url/purl-spec,
types hex, otp, npm, github, generic, deb and rpm; Erlang/OTP and Elixir are under Apache-2.0 (OTP since version 18).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from pkgrel import git
from pkgrel.distro import Distro, Format, sonames, unsupported
from pkgrel.package import Version
from pkgrel.plan import locks
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.locks import Git, Hex, Npm
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
    """An expression of SPDX, or what somebody calls a licence."""
    if not text:
        return []
    if _EXPRESSION.fullmatch(text):
        return [{"expression": text}]
    return [{"license": {"name": text}}]


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
    # Of a project these are the files that it was built with; those beside pkgrel.toml only fit or do not.
    locked = locks.applications(inputs.project or inputs.folder)
    for app in inputs.release.applications:
        if app.name in _ELIXIR and inputs.release.elixir == app.version:
            yield _of_otp(app.name, app.version, url=_ELIXIR_URL)
        elif app.name in locked:
            yield _locked(app, locked[app.name], built=inputs.project is not None)
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
    if known != "hexpm":  # where such a repository is, the lock does not say
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
    """What assets may have in them: which of it a bundler took, nobody but that knows."""
    if inputs.project is None or not any(
        re.match(r"lib/[^/]+/priv/static/", entry.path) for entry in inputs.release.entries
    ):
        return
    for item in locks.npm_packages(inputs.project):
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
    """Those of the host: its distro keeps them up to date, and so they have no version here."""
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
    """The package that brings it; nothing for an .rpm, which asks for the library itself."""
    match distro.format:
        case Format.DEB:
            text = mapped.get(soname) or sonames.relation(distro, soname, architecture)
            name = re.split(r"[ |,(:]", text.strip(), maxsplit=1)[0]
            return _of_distro(distro, name, "", architecture) if name else ""
        case Format.RPM:
            return ""
        case _:
            raise unsupported(distro.format)


def _of_package(inputs: Inputs, version: Version) -> str:
    """Only with a vendor: as one of the distro's it would be another's package of the same name."""
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
