"""A server that answers as S3 and SSM do, moto's, and the real AWS CLI pointed at it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

REGION = "eu-west-1"


@dataclass
class Aws:
    """The server."""

    endpoint: str

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """What the AWS CLI has to know, and nothing of this machine's own settings."""
        program = Path(sys.executable).parent
        return {
            "PATH": f"{program}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
            **more,
        }

    def client(self, service: str):
        """boto3's client, which is quicker than the CLI to fill the server with."""
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextmanager
def aws() -> Iterator[Aws]:
    """A server that is empty, on a port that was free."""
    words = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]
    # What it says goes into a file: a pipe that nobody empties would stop it after some requests.
    with (
        tempfile.TemporaryFile("a+") as said,
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=said) as server,
    ):
        try:
            yield Aws(_address(server, said))
        finally:
            server.kill()


def _address(server: subprocess.Popen, said: IO[str]) -> str:
    """Where the server says that it listens."""
    text = ""
    while not (found := re.search(r"Running on (http://\S+)", text)):
        assert server.poll() is None, text
        time.sleep(0.05)
        said.seek(0)
        text = said.read()
    return found[1]
