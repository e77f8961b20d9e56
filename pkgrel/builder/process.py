"""A process of this machine that does not outlive pkgrel, whatever becomes of that."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

# Beside the command a guard reads a pipe that only pkgrel could write to. Its end, by hand or by the
# kernel when pkgrel is killed, ends all that descends from the command: what an Erlang VM starts is in
# process groups of its own (erl_child_setup), so those are not enough.
_GUARDED = """
exec 3<&0 </dev/null
{
    cat
    guard=$(exec sh -c 'echo $PPID')
    if [ -e /proc/self/stat ]; then
        cat /proc/[0-9]*/stat | sed -n 's/^\\([0-9]*\\) (.*) [A-Za-z] \\([0-9]*\\) .*/\\1 \\2/p'
    else
        ps -A -o pid= -o ppid=
    fi | awk -v command="$$" -v guard="$guard" '
        { parent[$1] = $2 }
        END {
            for (pid in parent) {
                for (up = pid; up in parent && up != command && up != guard; up = parent[up]);
                if (up == command && pid != command) print pid
            }
            print command
        }' | xargs kill -s KILL
    kill -s KILL -- "-$$"
} <&3 >/dev/null 2>&1 &
exec 3<&-
exec sh -c "$1"
"""


def run(
    command: str, folder: Path, environment: Mapping[str, str], write: Callable[[bytes], None]
) -> int:
    """Run a shell command and hand its output to `write` as it comes; the exit status.

    What the command started in the background goes with it.
    """
    process = subprocess.Popen(
        ["sh", "-c", _GUARDED, "sh", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        while data := os.read(process.stdout.fileno(), 1 << 16):
            write(data)
        return process.wait()
    finally:
        process.stdin.close()
        process.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        # The guard is in the group as well, and has done its work or failed at it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
