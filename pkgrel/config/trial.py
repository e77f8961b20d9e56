"""[try]: what a package needs on the throwaway host that `pkgrel try` puts it on."""

from dataclasses import dataclass, field

from pkgrel.config.table import key


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
