"""`python -m benchmarks [TARBALL] [--quick]`."""

import argparse
import sys
import tempfile
from pathlib import Path
from subprocess import CalledProcessError

from benchmarks.measure import Failed
from benchmarks.rows import Bench
from benchmarks.table import table


def main() -> int:
    """Print the table; 1 only if something could not be run."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument(
        "tarball", nargs="?", type=Path, help="a release; by default examples/hello"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round each, smaller large release"
    )
    arguments = parser.parse_args()
    release = (arguments.tarball or _hello()).resolve()
    rows = []
    with tempfile.TemporaryDirectory(prefix="pkgrel-bench-") as folder:
        try:
            for row in Bench(release, Path(folder), quick=arguments.quick).rows():
                rows.append(row)
        except (Failed, CalledProcessError) as e:
            print(f"error: {e}", file=sys.stderr)
            return 1
        finally:
            print(table(rows))
    return 0


def _hello() -> Path:
    """The example as the tests build it, kept between runs."""
    from tests import releases

    return releases.hello("1.0.0")


if __name__ == "__main__":
    sys.exit(main())
