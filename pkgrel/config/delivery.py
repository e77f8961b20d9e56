"""What pkgrel.toml says of the way of a package: built, tried, sent, deployed, and who hears of it.

[build]: how a project becomes a release, in an image of the distro or on this machine.

[try]: what a package needs on the throwaway host that `pkgrel try` puts it on.

[publish.uploads.NAME]: where else finished packages go, by HTTP.

[deploy] and [deploy.GROUP]: what hosts allow, which hosts there are, and how carefully they get a new version.

[notify.NAME]: who is told of what was published and deployed.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pkgrel.config.table import key


class Builder(StrEnum):
    """Where a project is built."""

    DOCKER = "docker"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """How `pkgrel build` makes a release of a mix or rebar3 project; nothing of it matters to a release that is there already."""

    builder: Builder = key(
        "`docker`: in an image of each distro. `host`: with the mix of this machine.",
        default=Builder.DOCKER,
    )
    release: str = key("The release of mix.exs to build; needed if there are several.")
    mix_env: str = key("MIX_ENV; for rebar3 the profile.", default="prod")
    erlang: str = key(
        "Version of Erlang/OTP or the beginning of it, such as `27`; by default that of .tool-versions or mise.toml, "
        "else the distro's own."
    )
    elixir: str = key("The same for Elixir, such as `1.18.4`.")
    nodejs: str = key("The same for Node.js; by default there is none.")
    image: str = key("Image to start from instead of the distro's official one.")
    packages: tuple[str, ...] = key(
        "Packages of the distro that the build needs, such as `libpq-dev`.", default=()
    )
    ca_certificates: str = key(
        "File with certificates (PEM), relative to pkgrel.toml, that images trust besides the distro's: of a company's proxy that opens "
        'TLS, or of its mirrors. It counts for git, curl, Hex, rebar3 and npm; with `builder = "host"` this machine\'s own count.'
    )
    include: tuple[str, ...] = key(
        "Files and folders that the build needs besides the project's own: outside of its folder, such as `../shared`, "
        "or ignored by git. What mix.exs names by a path such as `../shared` is found without.",
        default=(),
    )
    before: tuple[str, ...] = key(
        "Shell commands to run in the project's folder before dependencies are fetched.", default=()
    )
    after: tuple[str, ...] = key(
        "Shell commands to run when the release is there; it is in `$PKGREL_RELEASE`.", default=()
    )
    environment: dict[str, str] = key("Variables for every step, with their values.", default={})
    env: tuple[str, ...] = key(
        "Names of variables of this machine that every step gets, such as `HEX_API_KEY`; their values are hidden "
        "in the log and stay in no image.",
        default=(),
    )
    secrets: dict[str, str] = key(
        "Files of this machine, relative to pkgrel.toml, that the steps can read below `$PKGREL_SECRETS`, in memory only: "
        '`{ deploy_key = "~/.ssh/deploy" }`. A name such as `~/.netrc` is seen there as well.',
        default={},
    )
    ssh: bool = key(
        "Let the steps use the SSH agent of this machine, for private git repositories.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TryServiceSettings:
    """A container beside the host, which reaches it by this NAME; they share a network that leads nowhere else."""

    image: str = key("The image, which the Docker daemon fetches if it has not got it.")
    environment: dict[str, str] = key("Variables of the container.", default={})
    ready: str = key(
        "A command of sh in the container that succeeds once it is ready, such as `pg_isready`; by default its image's"
        " HEALTHCHECK, else that the ports answer which the image EXPOSEs."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrySettings:
    """For `pkgrel try`. No package has anything of it."""

    environment: dict[str, str] = key(
        "Variables of the service on the host, as an administrator writes them into /etc/NAME/environment.",
        default={},
    )
    env_file: str = key(
        "A file with more of them, NAME=VALUE, one a line, relative to pkgrel.toml; it need not be in git."
    )
    services: dict[str, TryServiceSettings] = field(
        default_factory=dict, metadata={"doc": "Containers beside the host, such as a database."}
    )
    script: str = key(
        "A script of sh, relative to pkgrel.toml, that runs on the host at the end, with PKGREL_NAME, PKGREL_VERSION"
        " and PKGREL_PORT."
    )
    network: bool = key("Leave the service a network.", default=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """A group of hosts, for `pkgrel deploy` and `pkgrel fleet`. No package has anything of it."""

    hosts: tuple[str, ...] = key(
        "Hosts as ssh knows them: `web1`, `deploy@web2`, `deploy@web3:2222`.", default=()
    )
    inventory: str = key(
        "An Ansible inventory (INI, YAML with PyYAML, or what `ansible-inventory --list` prints) with more of them."
    )
    inventory_group: str = key("Its group; by default the one that is called as this one.")
    batch: str = key("Hosts at a time: a number, or a percentage of all.", default="1")
    wait: int = key(
        "Seconds for which a batch must stay ready before the next one begins.",
        default=10,
        most=86400,
    )
    timeout: int = key(
        "Seconds that the change of one host may take.", default=1800, least=1, most=86400
    )
    ssh_config: str = key(
        "A file for ssh in place of your own configuration, relative to pkgrel.toml."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySettings:
    """How hosts come by new versions. Tables in it are groups of hosts, [deploy.GROUP]."""

    pull: str = key(
        "How often a host asks the repository that the package came from, and upgrades by what `NAME upgrade` does: `5min`, "
        "`1h`. By default it never does."
    )
    channel: str = key(
        "The one channel that it takes versions from; by default those that the host has set up."
    )
    window: str = key(
        "When it may, in the host's time: `02:00-05:00`, `Mon-Fri 09:00-16:30`, `Sat,Sun 22:00-06:00`."
    )
    jitter: str = key(
        "How much later than that at most, by chance, so that not all hosts ask at once.",
        default="1min",
    )
    report: str = key(
        "Where a host that asks tells its version, and the end of the journal when one failed: an address that takes JSON by "
        "POST, or `s3://bucket/prefix` (needs the AWS CLI). /etc/NAME/report may set REPORT to another one, and REPORT_HEADER."
    )
    minimum: str = key(
        "The oldest version that `service.deploy-user`, and so the key of CI, may install: what came before has "
        "known faults. Root may."
    )
    rpc: bool = key(
        "The deploy user may run `NAME rpc`, `NAME remote` and the like, and so anything as the service's user. "
        "A key with `/usr/libexec/NAME/deploy` does not.",
        default=False,
    )
    groups: dict[str, GroupSettings] = field(default_factory=dict, metadata={"rest": True})


class NotifyKind(StrEnum):
    """How somebody is told."""

    SLACK = "slack"
    MATTERMOST = "mattermost"
    MATRIX = "matrix"
    MAIL = "mail"
    COMMAND = "command"
    URL = "url"


class NotifyEvent(StrEnum):
    """What somebody is told of."""

    PUBLISHED = "published"
    DEPLOYED = "deployed"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Who is told by `pkgrel publish`, `repo promote`, `repo phase --auto` and `pkgrel deploy`. In `url` and `token`, `$NAME` stands for a variable of the environment, which is never shown. A message that cannot be sent is a warning, and changes nothing."""

    kind: NotifyKind = key(
        "`slack` and `mattermost`: an incoming webhook; `matrix`: a room; `mail`: by this machine's sendmail; `command`; "
        "`url`: JSON by POST.",
        default=NotifyKind.URL,
    )
    on: tuple[NotifyEvent, ...] = key(
        "What of: `published`, `deployed`, `failed`, `rolled-back`.", default=tuple(NotifyEvent)
    )
    url: str = key("The webhook, the homeserver, or the address: `$SLACK_WEBHOOK`.")
    token: str = key("For `matrix` and `url`: sent as `Authorization: Bearer`, as in `$TOKEN`.")
    room: str = key("For `matrix`: the room's id, `!abc:example.org`.")
    to: tuple[str, ...] = key("For `mail`: addresses.", default=())
    sender: str = key("For `mail`: From, if not what sendmail says.")
    command: str = key(
        "For `command`: a line for sh, with PKGREL_EVENT, PKGREL_NAME, PKGREL_VERSION and PKGREL_TEXT, and all as JSON on "
        "standard input."
    )
    text: str = key(
        "The message, if not pkgrel's, as a template: `{{ name }} {{ version }}: {{ event }}`. Known are event, name, version, "
        "before, where, who, repository, distros, hosts, changelog and text (jinja2)."
    )
    body: str = key(
        'For `url`: the JSON, as a template: `{"msg": {{ text | tojson }}}`; by default all that is known.'
    )
