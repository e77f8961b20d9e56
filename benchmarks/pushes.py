"""From `git push` to the new version answering on three hosts, step by step: `script/bench --only pushes`.

examples/push-to-deploy with Debian's `webhook` daemon, a repository of git whose hook tells it as GitHub does, a trial on
a host of systemd-nspawn, and booted hosts of Debian 12 behind real ssh and sshd. Needs root, as the acceptance tests do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import builds, openpgp_keys
from tests.acceptance import hosts
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.acceptance.test_rollouts import let_in, sshd
from tests.bases import usable_base
from tests.test_push_to_deploy import FILES, headers, listening, send

_NAMES = ("web1", "web2", "web3")
_SETTINGS = """[service]
on-upgrade = "wait"
[service.ready]
http = "http://127.0.0.1:4000/health"
[deploy.production]
hosts = ["web1", "web2", "web3"]
wait = 1
ssh-config = "ssh_config"
"""
_STEPS = {
    "building": "pushed, heard of, fetched",
    "trying": "built: compiled, packaged",
    "publishing": "tried: installed, started, upgraded, removed on a host",
    "rolling": "published, signed",
    "done": "rolled out, one host after the other, 1 s of being ready each",
}
"""What has ended where a line of push-to-deploy begins so."""
HEAD = ("STEP", "FIRST PUSH", "ONE FILE CHANGED", "")


def rows(folder: Path, *, quick: bool) -> Iterator[tuple[str, ...]]:
    """A line for each step, as HEAD says."""
    folder.chmod(0o755)
    with ExitStack() as stack:
        machines = [
            stack.enter_context(hosts.boot(usable_base("bookworm-ssh"), name, {folder: PACKAGES}))
            for name in _NAMES
        ]
        forge = _Forge(folder, machines)
        url = stack.enter_context(listening(folder))
        first = forge.push("1.0.0", url)
        forge.subscribe()
        later = [forge.push(f"1.{number}.0", url) for number in range(1, 2 if quick else 4)]
    middle = sorted(later, key=lambda steps: steps["answers"])[len(later) // 2]
    before = dict.fromkeys(("first", "middle"), 0.0)
    for step, text in {**_STEPS, "answers": "answers on all three, since the push"}.items():
        ends = {"first": first.get(step, 0), "middle": middle[step]}
        since = {key: 0.0 if step == "answers" else before[key] for key in ends}
        cells = [f"{ends[key] - since[key]:.1f} s" if ends[key] else "-" for key in ends]
        yield text, *cells, f"load {os.getloadavg()[0]:.0f}"
        before = ends


class _Forge:
    """A project, where it is pushed to, the machine that hears of it, and the hosts."""

    def __init__(self, folder: Path, machines: list[Host]) -> None:
        self.folder = folder
        self.machines = machines
        self.key = openpgp_keys.secret("rsa")
        self.repository = folder / "repository"
        (folder / "state").mkdir()
        (folder / "queue").mkdir()
        self.project = builds.hello(folder / "project", _SETTINGS)
        builds.git(self.project, "branch", "-M", "main")
        builds.git(self.project, "init", "--quiet", "--bare", str(folder / "forge.git"))
        (folder / "bin").mkdir()
        command = folder / "bin/pkgrel"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pkgrel "$@"\n')
        command.chmod(0o755)
        self._run("pkgrel", "repo", "init", str(self.repository), "--label", "Acme")
        self._let_in()

    def _let_in(self) -> None:
        identity = self.folder / "id"
        self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(identity))
        text = ""
        for name, host in zip(_NAMES, self.machines, strict=True):
            text += f"Host {name}\n  ProxyCommand {sshd(host)}\n"
            let_in(host, "root", identity.with_suffix(".pub").read_text())
        text += (
            f"Host *\n  User root\n  IdentityFile {identity}\n  StrictHostKeyChecking accept-new\n"
        )
        text += f"  UserKnownHostsFile {self.folder}/known\n"
        (self.project / "ssh_config").write_text(text)

    def _run(self, *words: str) -> None:
        subprocess.run(
            words, cwd=self.project, env=self._environment({}), check=True, stdout=sys.stderr
        )

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(FILES.parents[1]),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PKGREL_SIGNING_KEY": str(self.key),
            **more,
        }

    def subscribe(self) -> None:
        """Have each host install what the first push has published."""
        for host in self.machines:
            host.write("/etc/apt/sources.list", "")
            host.write(
                "/etc/apt/sources.list.d/acme.sources",
                f"Types: deb\nURIs: file://{PACKAGES}/repository/apt\nSuites: bookworm\n"
                f"Components: stable\nSigned-By: {PACKAGES}/repository/acme.asc\n",
            )
            host.run("apt-get update && apt-get install -y hello")
            host.http()

    def push(self, version: str, url: str) -> dict[str, float]:
        """Push that version; seconds until each step has ended, and until every host answers with it."""
        mix = self.project / "mix.exs"
        text = mix.read_text()
        begin = text.index("      version: ")
        end = text.index("\n", begin)
        mix.write_text(f'{text[:begin]}      version: "{version}",{text[end:]}')
        builds.git(self.project, "add", "--all")
        builds.git(self.project, "commit", "--quiet", f"--message={version}")
        builds.git(self.project, "tag", f"v{version}")
        commit = builds.git(self.project, "rev-parse", "HEAD")
        begun = time.monotonic()
        builds.git(
            self.project, "push", "--quiet", "--tags", str(self.folder / "forge.git"), "main"
        )
        body = f'{{"ref":"refs/heads/main","after":"{commit}"}}'.encode()
        assert send(f"{url}/github", body, headers("github", body)) == 202
        while not (self.folder / "queue" / commit).exists():  # as its path unit waits for it
            time.sleep(0.01)
        steps: dict[str, float] = {}
        with self._watched(version, begun, steps, installed=version != "1.0.0"):
            self._deployed(begun, steps, installed=version != "1.0.0")
        return steps

    def _deployed(self, begun: float, steps: dict[str, float], *, installed: bool) -> None:
        settings = {
            "STATE_DIRECTORY": str(self.folder / "state"),
            "QUEUE": str(self.folder / "queue"),
            "REPOSITORY": str(self.folder / "forge.git"),
            "PUBLISH_TO": str(self.repository),
            "BUILD_OPTIONS": "--distro debian12 --builder host",
            "TRY": "yes",
            "TRY_OPTIONS": f"--on nspawn --image {usable_base('bookworm')}",
            "DEPLOY_TO": "production" if installed else "",
        }
        process = subprocess.Popen(
            [FILES / "push-to-deploy"],
            env=self._environment(settings),
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        assert process.stdout
        for line in process.stdout:
            word = line.removeprefix("push-to-deploy: ").partition(" ")[0].rstrip(":")
            if word in _STEPS:
                steps[word] = time.monotonic() - begun
        if not installed:
            steps["rolling"] = steps.pop("done", 0)
        if process.wait():
            raise SystemExit(f"push-to-deploy exited {process.returncode}")
        # apt reads it as a user of its own.
        subprocess.run(["chmod", "-R", "a+rX", self.repository], check=True)

    @contextmanager
    def _watched(
        self, version: str, begun: float, steps: dict[str, float], *, installed: bool
    ) -> Iterator[None]:
        """Note when each host answers with the version."""

        def wait(host: Host) -> None:
            host.wait_until(f"curl -fs 127.0.0.1:4000 | grep -qx '.* hello {version}'", timeout=600)
            steps["answers"] = max(steps.get("answers", 0), time.monotonic() - begun)

        threads = [
            threading.Thread(target=wait, args=[host]) for host in self.machines if installed
        ]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()
