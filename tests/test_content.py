"""Small compressed files have the same bytes on all machines, equal to gzip's."""

import subprocess

from pkgrel.content import gzipped
from tests.tools import need

TEXT = b"hello (1.0.0) stable; urgency=medium\n" * 40


def test_it_is_what_gzip_writes():
    need("gzip")
    done = subprocess.run(["gzip", "-9n"], input=TEXT, capture_output=True, check=True)
    assert gzipped(TEXT) == done.stdout


def test_gzip_reads_it():
    need("gzip")
    for data in (b"", b"x", TEXT):
        command = ["gzip", "-dc"]
        done = subprocess.run(command, input=gzipped(data), capture_output=True, check=True)
        assert done.stdout == data
