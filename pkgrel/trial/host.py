"""A throwaway host: a container of the Docker daemon that boots the distro's own systemd.

What the daemon allows is taken: all rights with control groups of its own; else the few that systemd needs. The
container is labelled as those of builds are, so that one which a killed pkgrel left goes with the next run.

Source: systemd's container interface, https://systemd.io/CONTAINER_INTERFACE; Docker's API, ContainerCreate.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkgrel.builder.docker_daemon import docker_errors
from pkgrel.builder.reaper import ContainerReaper
from pkgrel.distro import Distro
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

DISTRO = "io.pkgrel.host"
"""Label of an image: the distro that its hosts run."""

BOOT_SECONDS = 60
_DIED = "the host died: "

_SYSTEMD = {
    "apt": "systemd systemd-sysv dbus init-system-helpers libpam-systemd sudo procps iproute2 curl ca-certificates",
    "dnf": "systemd dbus sudo procps-ng iproute util-linux ca-certificates",
    "yum": "systemd dbus sudo procps-ng iproute util-linux ca-certificates",
    "zypper": "systemd dbus-1 sudo procps iproute2 util-linux curl ca-certificates",
}
_INSTALL = {
    "apt": "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {}"
    " && rm -rf /var/lib/apt/lists/* && rm -f /usr/sbin/policy-rc.d",
    "dnf": "dnf install --assumeyes {} && dnf clean all",
    "yum": "yum install --assumeyes {} && yum clean all",
    "zypper": "zypper --non-interactive install {} && zypper clean --all",
}
# What waits for devices or a network that no container has.
_MASKED = (
    "apt-daily-upgrade.timer apt-daily.timer console-getty.service dnf-makecache.timer dpkg-db-backup.timer"
    " e2scrub_all.timer fstrim.timer getty.target systemd-firstboot.service systemd-logind.service"
    " systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service"
    " systemd-udevd.service systemd-update-utmp.service"
).split()

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    command: str
    status: int
    output: str
    """Standard output and error."""

    def __bool__(self) -> bool:
        return self.status == 0


@dataclass(frozen=True, slots=True)
class Host:
    """A booted host, entered as root."""

    name: str
    container: Container

    def run(self, command: str, *, seconds: int = 120) -> Ran:
        """Run a command of /bin/sh; status 124 when it took too long."""
        words = ["timeout", "--kill-after=5", str(seconds), "sh", "-c", command]
        with docker_errors(self.name):
            done = self.container.exec_run(words, environment=_ENVIRONMENT)
        return Ran(command, int(done.exit_code or 0), done.output.decode(errors="replace"))

    def put(self, file: Path, folder: str) -> str:
        """Copy a file into a folder of the host, readable for everybody; its path there."""
        with io.BytesIO() as raw:
            with tarfile.open(fileobj=raw, mode="w") as tar, file.open("rb") as source:
                member = tarfile.TarInfo(file.name)
                member.size, member.mode = file.stat().st_size, 0o644
                tar.addfile(member, source)
            self.run(f"mkdir -p {folder}")
            with docker_errors(self.name):
                self.container.put_archive(folder, raw.getvalue())
        return f"{folder}/{file.name}"

    def reboot(self) -> None:
        """Stop in order and boot again; BuildError if it does not come up."""
        with docker_errors(self.name):
            self.container.restart(timeout=30)
        wait_until_booted(self)

    def disconnect(self) -> None:
        """Take the network away, but for the loopback."""
        with docker_errors(self.name):
            self.container.reload()
            networks = self.container.attrs["NetworkSettings"]["Networks"]
            for name in networks:
                self.container.client.networks.get(name).disconnect(self.container)


def image(client: DockerClient, distro: Distro, base: str = "") -> str:
    """The id of the distro's host image, made first if it is not there: its official image with systemd.

    BuildError with the end of what the package manager said.
    """
    import docker

    base = base or distro.image
    dockerfile = _dockerfile(distro, base)
    name = f"pkgrel-host:{distro.id}-{hashlib.sha256(dockerfile.encode()).hexdigest()[:12]}"
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
            hint="see that the daemon can fetch the image and reach the distro's packages",
        ) from e
    return str(made.id)


def _dockerfile(distro: Distro, base: str) -> str:
    masks = " ".join(f"/etc/systemd/system/{unit}" for unit in _MASKED)
    install = _INSTALL[distro.installer].format(_SYSTEMD[distro.installer])
    return (
        f"FROM {base}\nLABEL {DISTRO}={distro.id}\nUSER root\nRUN {install}\n"
        # Images leave manual pages out of what they install, which hosts do not.
        "RUN grep -ls path-exclude /etc/dpkg/dpkg.cfg.d/* | xargs -r rm;"
        " sed -i /tsflags=nodocs/d /etc/dnf/dnf.conf /etc/yum.conf 2>/dev/null; true\n"
        # Each host makes its own at its first boot.
        f"RUN : >/etc/machine-id && rm -f /var/lib/dbus/machine-id"
        f" && for unit in {masks}; do ln -sf /dev/null $unit; done\n"
    )


@contextmanager
def booted(
    client: DockerClient, image_id: str, name: str, reaper: ContainerReaper, *, keep: bool = False
) -> Iterator[Host]:
    """A host on the image; removed at the end, unless it is to be kept.

    BuildError, with what was tried, if the daemon boots none.
    """
    host = _boot(client, image_id, name, reaper)
    try:
        yield host
    finally:
        if not keep:
            reaper.remove(host.container)


def _boot(client: DockerClient, image_id: str, name: str, reaper: ContainerReaper) -> Host:
    tried = []
    for title, options in _ways(client):
        container = _create(client, image_id, reaper, options)
        try:
            reaper.add(container)
            container.start()
            host = Host(name, container)
            wait_until_booted(host)
        except Exception as e:
            tried.append(f"{title}: {_reason(e)}")
            reaper.remove(container)
        except BaseException:
            reaper.remove(container)
            raise
        else:
            return host
    raise BuildError(
        f"{name}: the Docker daemon boots no host: {'; '.join(tried)}",
        hint="let it run privileged containers, or use a daemon with control groups v2",
    )


def _reason(problem: Exception) -> str:
    text = str(getattr(problem, "explanation", None) or problem).strip()
    return text if len(text) < 200 else f"…{text[-200:]}"


def _create(
    client: DockerClient, image_id: str, reaper: ContainerReaper, options: Mapping[str, Any]
) -> Container:
    with docker_errors("docker"):
        return client.containers.create(
            image_id,
            ["/lib/systemd/systemd", "--show-status=1"],
            environment={"container": "docker"},
            labels=reaper.labels(),
            tmpfs={"/run": "exec,mode=755", "/run/lock": "", "/tmp": "exec,mode=1777"},
            stop_signal="SIGRTMIN+3",
            **options,
        )


def _ways(client: DockerClient) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The ways to boot, the one that proves most first."""
    with docker_errors("docker"):
        second = str(client.info().get("CgroupVersion", "1")) == "2"
    unconfined = {
        "cap_add": ["SYS_ADMIN"],
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    }
    yield "privileged", {"privileged": True, "cgroupns": "private"}
    if second:
        groups = {"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}}
        yield "SYS_ADMIN", {**unconfined, "cgroupns": "host", "volumes": groups}
    else:
        # A machine with both versions has the second one there.
        groups = {"/sys/fs/cgroup/unified": {"bind": "/sys/fs/cgroup", "mode": "rw"}}
        yield "SYS_ADMIN with the second control groups", {**unconfined, "volumes": groups}


def wait_until_booted(host: Host) -> None:
    """Until systemd has started all that it starts; BuildError if it does not."""
    deadline = time.monotonic() + BOOT_SECONDS
    state = ""
    while time.monotonic() < deadline:
        host.container.reload()
        if host.container.status not in ("running", "created"):
            log = host.container.logs(tail=5).decode(errors="replace").strip()
            raise BuildError(f"{_DIED}{log or host.container.status}")
        state = host.run("systemctl is-system-running", seconds=20).output.strip()
        if state in ("running", "degraded"):
            return
        time.sleep(0.1)
    raise BuildError(f"after {BOOT_SECONDS} s its systemd is `{state}`")
