"""[deploy] and [deploy.GROUP]: what hosts allow, which hosts there are, and how carefully they get a new version."""

from dataclasses import dataclass, field

from pkgrel.config.table import key


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """A group of hosts, for `pkgrel deploy` and `pkgrel fleet`. No package has anything of it."""

    hosts: tuple[str, ...] = key(
        "Hosts as ssh knows them: `web1`, `deploy@web2`, `deploy@web3:2222`.", default=()
    )
    inventory: str = key("An Ansible inventory (INI, or YAML with PyYAML) with more of them.")
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
