"""`python -m benchmarks [TARBALL] [--quick] [--only packages|publishing|upgrades|pushes] [--large] [--scale]`."""

import argparse
import sys
import tempfile
from pathlib import Path
from subprocess import CalledProcessError

from benchmarks import cache, pushes, upgrades
from benchmarks.measure import Failed
from benchmarks.publishing import COUNT, Publishing
from benchmarks.rows import Bench
from benchmarks.table import Row, lines, requests, table

_ON_HOSTS = {"upgrades": upgrades, "pushes": pushes}


def main() -> int:
    """Print the table; 1 only if something could not be run."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument(
        "tarball", nargs="?", type=Path, help="a release; by default examples/hello"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round each, smaller large release"
    )
    parser.add_argument(
        "--only", choices=("packages", "publishing", *_ON_HOSTS), help="one part of it"
    )
    parser.add_argument(
        "--large", action="store_true", help="also publish into a channel of 100,000"
    )
    parser.add_argument(
        "--scale", action="store_true", help="also 100,000 real packages beside the peers: an hour"
    )
    arguments = parser.parse_args()
    if arguments.only in _ON_HOSTS:
        part = _ON_HOSTS[arguments.only]
        with tempfile.TemporaryDirectory() as folder:
            print(lines([part.HEAD, *part.rows(Path(folder), quick=arguments.quick)]))
        return 0
    rows: list[Row] = []
    cache.ROOT.mkdir(parents=True, exist_ok=True)
    # Not in /tmp, which may be memory: flushing to a disk is part of publishing.
    with tempfile.TemporaryDirectory(prefix="run-", dir=cache.ROOT) as folder:
        publishing = Publishing(
            Path(folder),
            count=1000 if arguments.quick else COUNT,
            rounds=1 if arguments.quick else 5,
            large=arguments.large,
            scale=arguments.scale,
        )
        try:
            if arguments.only != "publishing":
                release = (arguments.tarball or _hello()).resolve()
                rows.extend(Bench(release, Path(folder), quick=arguments.quick).rows())
            if arguments.only != "packages":
                rows.extend(publishing.rows())
        except (Failed, CalledProcessError) as e:
            print(f"error: {e}", file=sys.stderr)
            return 1
        finally:
            print(table(rows))
            if publishing.requests:
                print(f"\n{requests(publishing.requests)}")
    return 0


def _hello() -> Path:
    """The example as the tests build it, kept between runs."""
    from tests import releases

    return releases.hello("1.0.0")


if __name__ == "__main__":
    sys.exit(main())
