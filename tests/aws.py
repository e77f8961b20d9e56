"""A server that answers as S3 and SSM do, moto's, and the real AWS CLI pointed at it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        try:
            said = ""
            while not (found := re.search(r"Running on (http://\S+)", said)):
                line = server.stderr.readline()
                assert line, said
                said += line
            yield Aws(found[1])
        finally:
            server.kill()
