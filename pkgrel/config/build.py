"""[build]: how a project becomes a release, in an image of the distro or on this machine."""

from dataclasses import dataclass
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
