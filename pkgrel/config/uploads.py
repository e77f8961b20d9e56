"""[publish.uploads.NAME]: where else finished packages go, by HTTP."""

from dataclasses import dataclass, field
from enum import StrEnum

from pkgrel.config.table import key


class UploadMethod(StrEnum):
    """How a file is sent."""

    PUT = "PUT"
    POST = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSettings:
    """A server that takes packages one by one, for `pkgrel publish --upload NAME`. In `url`, `headers` and `fields`, `$NAME` stands for a variable of the environment, which is never shown, and `{file}` for what is known of a package: file, name, version, upstream, revision, architecture, format, distro, family, codename, release, channel, sha256, size, and this table's server, owner, repository and tag."""

    preset: str = key(
        "Whose server it is: `artifactory`, `nexus`, `cloudsmith`, `packagecloud`, `gitea`, `gitlab` or `github`. What is said here "
        "as well is taken instead."
    )
    url: str = key("Where a file goes: `https://example.org/{channel}/{file}`.")
    method: UploadMethod | None = key(
        "`PUT`, or `POST`; by default that of the preset, or `PUT`.", default=None
    )
    headers: tuple[str, ...] = key("Such as `Authorization: Bearer $TOKEN`.", default=())
    form: str = key("The field of a form that has the file; by default the file is the body.")
    fields: tuple[str, ...] = key("Other fields of the form, as `name=value`.", default=())
    server: str = key("For presets: `https://gitea.example.org`.")
    owner: str = key("For presets: the user or organization.")
    repository: str = key("For presets: the repository, or the project's number.")
    tag: str = key("For presets: the release's tag, by default `v{upstream}`.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSettings:
    """What `pkgrel publish` does besides."""

    uploads: dict[str, UploadSettings] = field(
        default_factory=dict, metadata={"doc": "Servers that take packages one by one, by name."}
    )
