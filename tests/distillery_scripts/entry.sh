#!/bin/sh
# bin/@NAME@: only makes sure that there is a bash for everything that follows.
set -e
bin="$(cd "$(dirname "$0")" && pwd -P)"
if ! command -v bash >/dev/null; then
    echo "bash is needed to run this release" >&2
    exit 1
fi
exec "$bin/@NAME@_rc_exec.sh" "$@"
