"""Servers that nobody here wrote: moto, ministack, rclone, which ignores conditions, and OpenSSH's sshd.

Each is started when it is first asked for and stopped when the tests end.
"""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from functools import cache
from pathlib import Path

from pkgrel.repository.store import Store
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import Options, open_store
from tests import ssh_server
from tests.tools import PATIENCE

BUCKET = "packages"
REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
}
SERVERS = ("moto", "ministack")
KINDS = ("local", "ssh", *SERVERS)


@cache
def endpoint(server: str) -> str:
    """Where the server listens; it has the bucket."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix=f"pkgrel-{server}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "SERVICES": "s3",
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": str(folder),
    }
    (folder / "rclone" / BUCKET).mkdir(parents=True)
    programs = Path(sys.executable).parent
    words: dict[str, list[str | Path]] = {
        "moto": [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        "ministack": [sys.executable, "-m", "ministack"],
        "rclone": [
            *(programs / "rclone", "serve", "s3", "--addr", f"127.0.0.1:{port}"),
            folder / "rclone",
        ],
    }
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words[server], stdout=quiet, stderr=quiet, env=environment)
    atexit.register(_stop, process)
    url = f"http://127.0.0.1:{port}"
    _wait(url, process)
    if server != "rclone":
        _client(url).create_bucket(Bucket=BUCKET)
    return url


def url(kind: str, folder: Path) -> str:
    """A place for a repository that is empty: a directory, or a folder of a server's bucket."""
    if kind == "ssh":
        return ssh_url(folder / "repo")
    return str(folder / "repo") if kind == "local" else f"s3://{BUCKET}/{uuid.uuid4().hex}"


def ssh_url(folder: Path, host: str = ssh_server.ALIAS) -> str:
    """A directory of this machine, as that of another one."""
    ssh_server.alias()
    return f"ssh://{host}{folder}"


def options(kind: str) -> Options:
    """How to reach it."""
    return (
        Options() if kind in ("local", "ssh") else Options(endpoint=endpoint(kind), region=REGION)
    )


def store(kind: str, folder: Path) -> Store:
    """An empty store; CREDENTIALS must be in the environment."""
    return open_store(url(kind, folder), options(kind))


def same(store: Store, kind: str) -> Store:
    """The store once more, as another process would open it."""
    return Local(store.root) if isinstance(store, Local) else open_store(store.url, options(kind))


def environment(kind: str) -> dict[str, str]:
    """What a process needs in order to use the server."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    if kind in ("local", "ssh"):
        return clean
    return {**clean, **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint(kind)}


def client(kind: str):
    """boto3's client, to look at objects as others do."""
    return _client(endpoint(kind))


def _client(url: str):
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def free_port() -> int:
    """A port at which nobody listens just now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "the server has stopped"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as e:
            e.close()
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
