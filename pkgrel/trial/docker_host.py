"""Hosts in containers of Docker, or of Podman through its socket, that boot the distro's systemd.

They are privileged, with a private cgroup namespace, if the daemon allows it; else they get only the capabilities
that systemd needs. Containers and networks have the same labels as those of builds, so that the next run removes
what a killed pkgrel left behind.

Source: systemd's container interface, https://systemd.io/CONTAINER_INTERFACE; Docker's API, ContainerCreate.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkgrel.builder.docker_daemon import docker_errors, refusal_hint
from pkgrel.builder.image_inventory import HOST, HOST_REPOSITORY
from pkgrel.builder.reaper import ContainerReaper, remove_image
from pkgrel.distro import Distro
from pkgrel.errors import BuildError
from pkgrel.trial.docker_shell import DockerShell
from pkgrel.trial.host import Ran, wait_until_booted
from pkgrel.trial.services import NONE, Services

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_SYSTEMD = {
    "apt": "systemd systemd-sysv dbus init-system-helpers libpam-systemd sudo procps iproute2 curl ca-certificates",
    "dnf": "systemd dbus sudo procps-ng iproute util-linux findutils ca-certificates",
    "yum": "systemd dbus sudo procps-ng iproute util-linux findutils ca-certificates",
    "zypper": "systemd dbus-1 sudo procps iproute2 util-linux findutils curl ca-certificates",
}
_INSTALL = {
    "apt": "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {}"
    " && rm -rf /var/lib/apt/lists/*",
    "dnf": "dnf install --assumeyes {} && dnf clean all",
    "yum": "yum install --assumeyes {} && yum clean all",
    "zypper": "zypper --non-interactive install {} && zypper clean --all",
}
_UNSAFE = "/etc/dpkg/dpkg.cfg.d/pkgrel-try"
_PROGRAMS = "systemctl dbus-daemon sudo ps ss ip find"
"""If an image has these programs, as one of the user may, nothing is installed into it."""
_APT_PROGRAMS = f"{_PROGRAMS} curl deb-systemd-helper"
# Units that wait for devices or for a network, which containers do not have.
_MASKED = (
    "apt-daily-upgrade.timer apt-daily.timer console-getty.service dnf-makecache.timer dpkg-db-backup.timer"
    " e2scrub_all.timer fstrim.timer getty.target systemd-firstboot.service systemd-logind.service"
    " systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service"
    " systemd-udevd.service systemd-update-utmp.service"
).split()
# Docker lowers this to 0, which no other host does.
_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "1024"}
# Docker disables IPv6 on the loopback interface; other hosts have it unless their kernel lacks it.
_IPV6 = {"net.ipv6.conf.lo.disable_ipv6": "0"}


@dataclass(frozen=True, slots=True)
class DockerHost:
    """See Host."""

    container: Container
    beside: Services = NONE
    """Services in containers beside the host, whose network it stays connected to."""
    within: DockerShell = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", DockerShell(self.container))

    def run(self, command: str, *, seconds: int = 120, online: bool = False) -> Ran:
        """See Host; it is online until it is disconnected."""
        return self.within.run(command, seconds)

    def put(self, file: Path, folder: str) -> str:
        """See Host."""
        with io.BytesIO() as raw:
            with tarfile.open(fileobj=raw, mode="w") as tar, file.open("rb") as source:
                member = tarfile.TarInfo(file.name)
                member.size, member.mode = file.stat().st_size, 0o644
                tar.addfile(member, source)
            self.run(f"mkdir -p {folder}")
            with docker_errors("the host"):
                self.container.put_archive(folder, raw.getvalue())
        return f"{folder}/{file.name}"

    def reboot(self) -> None:
        """See Host."""
        self.within.close()
        with docker_errors("the host"):
            self.container.restart(timeout=30)
        self.wait()
        self._lead_nowhere()

    def wait(self) -> None:
        """Wait until the host has booted."""
        wait_until_booted(partial(self.run, seconds=20), self._died)

    def _died(self) -> str:
        self.container.reload()
        if self.container.status in ("running", "created"):
            return ""
        return self.container.logs(tail=5).decode(errors="replace").strip() or str(
            self.container.status
        )

    def disconnect(self) -> None:
        """See Host."""
        with docker_errors("the host"):
            self.container.reload()
            for name in self.container.attrs["NetworkSettings"]["Networks"]:
                if name != self.beside.network:
                    self.container.client.networks.get(name).disconnect(self.container)
        self._lead_nowhere()

    def _lead_nowhere(self) -> None:
        """Remove the default route: through an internal network of Docker it leads to the daemon's machine."""
        with docker_errors("the host"):
            self.container.reload()
        if set(self.container.attrs["NetworkSettings"]["Networks"]) == {self.beside.network}:
            self.run("ip -4 route flush default; ip -6 route flush default")

    @property
    def shell(self) -> tuple[str, ...]:
        """See Host."""
        return (_program(), "exec", "-it", self.container.short_id, "bash")

    @property
    def removal(self) -> str:
        """See Host."""
        containers = (self.container, *self.beside.containers.values())
        names = " ".join(each.short_id for each in containers)
        network = self.beside.network
        more = f" && {_program()} network rm {network}" if network else ""
        return f"{_program()} rm -f {names}{more}"


def _program() -> str:
    return "docker" if shutil.which("docker") or not shutil.which("podman") else "podman"


@dataclass(frozen=True, slots=True)
class DockerMachines:
    """Boots hosts from an image; see Machines."""

    client: DockerClient
    image_id: str
    reaper: ContainerReaper
    services: Services
    ways: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """Ways to boot, as title and options; the one that worked, once a host has booted."""

    @contextmanager
    def boot(self, *, keep: bool = False) -> Iterator[DockerHost]:
        """See Machines."""
        host = self._boot(keep)
        try:
            self.services.wait(host.run)
            yield host
        except BaseException:
            keep = False
            raise
        finally:
            host.within.close()
            if not keep:
                self.reaper.remove(host.container)

    def _boot(self, keep: bool) -> DockerHost:
        tried = []
        ways = self.ways or list(_ways(self.client))
        for title, options in ways:
            container = self._create(["/lib/systemd/systemd", "--show-status=1"], options, keep)
            try:
                self.services.connect(container)
                with docker_errors("the host"):
                    container.start()
                host = DockerHost(container, self.services)
                host.wait()
            except Exception as e:
                tried.append(f"{title}: {_reason(e)}")
                self.reaper.remove(container)
                if "ipv6" in tried[-1] and "sysctls" not in options:
                    ways.append((f"{title}, no IPv6", {**options, "sysctls": _SYSCTLS}))
            except BaseException:
                self.reaper.remove(container)
                raise
            else:
                self.ways[:] = [(title, options)]
                return host
        raise BuildError(
            f"the Docker daemon boots no host: {'; '.join(tried)}",
            hint="let it run privileged containers, use a daemon with control groups v2, or, as root on Linux,"
            " `--on nspawn --image DIRECTORY`",
        )

    def _create(
        self, command: list[str], options: Mapping[str, Any], keep: bool = False
    ) -> Container:
        with docker_errors("docker"):
            container = self.client.containers.create(
                self.image_id,
                command,
                environment={"container": "docker"},
                labels=self.reaper.labels(keep=keep),
                tmpfs={"/run": "exec,mode=755", "/run/lock": "", "/tmp": "exec,mode=1777"},
                stop_signal="SIGRTMIN+3",
                # Docker rewrites /etc/hosts at each start.
                extra_hosts=dict(self.services.addresses),
                **{"sysctls": {**_SYSCTLS, **_IPV6}, **options},
            )
        if not keep:
            self.reaper.add(container)
        return container

    @contextmanager
    def installed(
        self, files: Sequence[Path], command: Callable[..., str]
    ) -> Iterator[tuple[DockerMachines, Callable[[str], Ran]]]:
        """See Machines."""
        # Privileges as for a booted host, since rpm's scriptlets create namespaces too.
        options = dict(self.ways[0][1]) if self.ways else {}
        container = self._create(["sleep", "infinity"], options)
        host = DockerHost(container)
        image = None
        try:
            with docker_errors("docker"):
                container.start()
                paths = [
                    host.put(file, f"/root/image/{number}") for number, file in enumerate(files)
                ]
                done = host.run(command(*paths), seconds=300)
                image = container.commit(changes=["CMD []"])
            if not done:
                raise BuildError(f"it cannot be installed into an image: {done.output[-1500:]}")
            yield replace(self, image_id=str(image.id)), host.run
        finally:
            host.within.close()
            self.reaper.remove(container)
            if image:
                remove_image(self.client, str(image.id))


def image(client: DockerClient, distro: Distro, base: str = "") -> str:
    """The id of the distro's host image: the official image with systemd added. Built if it does not exist.

    BuildError with the end of the package manager's output.
    """
    import docker

    base = base or distro.image
    dockerfile = _dockerfile(distro, base)
    name = f"{HOST_REPOSITORY}:{distro.id}-{hashlib.sha256(dockerfile.encode()).hexdigest()[:12]}"
    with docker_errors(distro.id), contextlib.suppress(docker.errors.ImageNotFound):
        return str(client.images.get(name).id)
    try:
        with docker_errors(distro.id):
            made, _ = client.images.build(
                fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True, forcerm=True
            )
    except docker.errors.BuildError as e:
        said = "".join(str(line.get("stream", "")) for line in e.build_log)[-1500:]
        raise BuildError(
            f"{distro.id}: no host image from `{base}`: {e.msg}\n{said}",
            hint=refusal_hint(f"{e.msg} {said}")
            or "see that the daemon can fetch the image and reach the distro's packages",
        ) from e
    return str(made.id)


def _dockerfile(distro: Distro, base: str) -> str:
    masks = " ".join(f"/etc/systemd/system/{unit}" for unit in _MASKED)
    install = _INSTALL[distro.installer].format(_SYSTEMD[distro.installer])
    programs = _APT_PROGRAMS if distro.installer == "apt" else _PROGRAMS
    return (
        f"FROM {base}\nLABEL {HOST}={distro.id}\nUSER root\n"
        f"RUN (for each in {programs}; do command -v $each >/dev/null || exit 1; done) || ({install})\n"
        # Unlike hosts, container images exclude manual pages and forbid services to start.
        "RUN grep -ls path-exclude /etc/dpkg/dpkg.cfg.d/* | xargs -r rm; rm -f /usr/sbin/policy-rc.d;"
        " sed -i /tsflags=nodocs/d /etc/dnf/dnf.conf /etc/yum.conf 2>/dev/null; true\n"
        # A throwaway host need not survive a power failure.
        f"RUN [ ! -d /etc/dpkg/dpkg.cfg.d ] || echo force-unsafe-io >{_UNSAFE}\n"
        # Each host generates its machine-id at its first boot.
        f"RUN : >/etc/machine-id && rm -f /var/lib/dbus/machine-id"
        f" && for unit in {masks}; do ln -sf /dev/null $unit; done\n"
    )


def _reason(problem: Exception) -> str:
    text = str(getattr(problem, "explanation", None) or problem).strip()
    return text if len(text) < 200 else f"…{text[-200:]}"


def _ways(client: DockerClient) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Ways to boot as title and options, the most realistic one first."""
    with docker_errors("docker"):
        second = str(client.info().get("CgroupVersion", "1")) == "2"
    unconfined = {
        # systemd inspects processes in mount namespaces (ProtectProc=), which takes SYS_PTRACE.
        "cap_add": ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"],
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    }
    yield "privileged", {"privileged": True, "cgroupns": "private"}
    if second:
        groups = {"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}}
        yield (
            "SYS_ADMIN, NET_ADMIN and SYS_PTRACE",
            {**unconfined, "cgroupns": "host", "volumes": groups},
        )
    else:
        # With a hybrid hierarchy, cgroup v2 is mounted here.
        groups = {"/sys/fs/cgroup/unified": {"bind": "/sys/fs/cgroup", "mode": "rw"}}
        yield (
            "SYS_ADMIN, NET_ADMIN and SYS_PTRACE with the second control groups",
            {**unconfined, "volumes": groups},
        )
