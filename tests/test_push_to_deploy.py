"""examples/push-to-deploy: the real `webhook` daemon, given what GitHub, GitLab and Bitbucket send, and what comes of it."""

import hashlib
import hmac
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import builds, openpgp_keys
from tests.test_examples import free_port
from tests.tools import PATIENCE, need, pkgrel, run, wait_until

FILES = Path(__file__).parents[1] / "examples/push-to-deploy"
DATA = Path(__file__).parent / "data/push"
SECRET = "s3 cr\"et'"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(forge: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """What the forge sends along."""
    return {
        "github": {"X-GitHub-Event": "push", "X-Hub-Signature-256": signed(body, secret)},
        "gitlab": {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret},
        "bitbucket": {"X-Event-Key": "repo:push", "X-Hub-Signature": signed(body, secret)},
    }[forge]


@contextmanager
def listening(folder: Path) -> Iterator[str]:
    """The daemon as its unit starts it, but for the paths; its address."""
    text = (FILES / "hooks.json.tmpl").read_text()
    (folder / "hooks").write_text(text.replace("/usr/local/libexec/push-to-deploy", str(FILES)))
    port = free_port()
    environment = {"PUSH_SECRET": SECRET, "BRANCH": "main", "QUEUE": str(folder / "queue")}
    unit = (FILES / "push-to-deploy-webhook.service").read_text()
    [line] = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    words = line.removeprefix("ExecStart=").split()
    words[words.index("-hooks") + 1] = str(folder / "hooks")
    words[words.index("-port") + 1] = str(port)
    daemon = subprocess.Popen(
        words, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:

        def answers() -> bool:
            assert daemon.poll() is None
            return send(f"http://127.0.0.1:{port}/", b"", {}) != 0

        wait_until(answers)
        yield f"http://127.0.0.1:{port}/hooks"
    finally:
        daemon.terminate()
        daemon.wait()


def send(url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status; 0 if nobody listens."""
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json", **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return 0


def queued(folder: Path, count: int) -> list[str]:
    """The commits of the queue; the daemon answers before its command has ended."""
    wait_until(lambda: len(list((folder / "queue").iterdir())) >= count)
    return sorted(file.name for file in (folder / "queue").iterdir())


def test_only_what_was_signed_reaches_the_queue(tmp_path: Path) -> None:
    need("webhook")
    (tmp_path / "queue").mkdir()
    with listening(tmp_path) as url:
        for number, forge in enumerate(("github", "gitlab", "bitbucket")):
            body = (DATA / f"{forge}.json").read_bytes()
            commit = COMMIT[:-1] + str(number)
            good = body.replace(b"COMMIT", commit.encode())
            right = headers(forge, good)
            for odd, given in (
                (good, headers(forge, good, "another")),
                (good, headers(forge, good, "")),
                (good, {}),
                (good.replace(b"all", b"ALL"), right | {"X-Gitlab-Token": "x"}),
                (good.replace(b"main", b"other"), headers(forge, good.replace(b"main", b"other"))),
                (b"not json", headers(forge, b"not json")),
            ):
                assert send(f"{url}/{forge}", odd, given) != 202, (forge, odd, given)
            # Signed, and yet no commit.
            for wrong in ("../../../tmp/pwned", "$(touch x)", "main", "0" * 40, "", "-rf"):
                text = body.replace(b"COMMIT", wrong.encode())
                send(f"{url}/{forge}", text, headers(forge, text))
            assert send(f"{url}/{forge}", good, right) == 202
            assert queued(tmp_path, number + 1)[-1] == commit
        time.sleep(0.5)
    assert queued(tmp_path, 3) == [COMMIT[:-1] + digit for digit in "012"]


def test_the_very_commit_is_built_published_and_rolled_out(tmp_path: Path) -> None:
    need("git", "jq", "mix", "shellcheck")
    run("shellcheck", FILES / "enqueue", FILES / "push-to-deploy")
    project = builds.small(tmp_path / "small")
    (project / "pkgrel.toml").write_text(
        builds.MAINTAINER + '[deploy.production]\nhosts = ["nowhere.invalid"]\n'
    )
    builds.commit(project)
    builds.git(project, "branch", "-M", "main")
    builds.git(project, "tag", "v1.0.0")
    first = builds.git(project, "rev-parse", "HEAD")
    (project / "later").write_text("")
    builds.git(project, "add", "later")
    builds.git(project, "commit", "--quiet", "--message=later")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pkgrel").write_text(f'#!/bin/sh\nexec {sys.executable} -m pkgrel "$@"\n')
    (tmp_path / "bin/pkgrel").chmod(0o755)
    repository = tmp_path / "repository"
    key = openpgp_keys.secret("rsa")
    made = pkgrel("repo", "init", repository, PKGREL_SIGNING_KEY=str(key))
    assert made.returncode == 0, made.stderr
    state = tmp_path / "state"
    (state / "queue").mkdir(parents=True)

    def push(commit: str, **settings: str) -> subprocess.CompletedProcess[str]:
        (state / "queue" / commit).touch()
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(FILES.parents[1]),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "STATE_DIRECTORY": str(state),
            "REPOSITORY": str(project),
            "PUBLISH_TO": str(repository),
            "PKGREL_SIGNING_KEY": str(key),
            "BUILD_OPTIONS": "--distro debian12 --builder host",
            **settings,
        }
        done = subprocess.run(
            [FILES / "push-to-deploy"], env=environment, capture_output=True, text=True, cwd="/"
        )
        assert not list((state / "queue").iterdir())
        return done

    stranger = push("f" * 40)
    assert stranger.returncode == 1
    assert "is not on main" in stranger.stdout
    done = push(first)
    assert done.returncode == 0, done.stdout + done.stderr
    # The very commit: without what came later.
    assert "done: small 1.0.0\n" in done.stdout
    assert "1.0.0-1~debian12" in pkgrel("repo", "list", repository).stdout
    assert "was done already" in push(first).stdout
    newest = builds.git(project, "rev-parse", "HEAD")
    rolled = push(newest, DEPLOY_TO="production")
    assert "rolling small 1.0.0+1." in rolled.stdout
    assert "nowhere.invalid: cannot be reached" in rolled.stderr
    assert rolled.returncode == 1
    assert (state / "last").read_text().strip() == first
    shutil.rmtree(state)
