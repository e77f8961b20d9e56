#!/usr/bin/env bash
# Installs pkgrel, as it is in this checkout, beside the job's own Python; later steps find it as well.
set -euo pipefail

home=$RUNNER_TEMP/pkgrel
checkout=$(cd "$(dirname "$0")/../.." && pwd)

if [ -x "$home/bin/pkgrel" ] && [ "$(cat "$home/from" 2>/dev/null)" = "$checkout" ]; then
    exit 0 # the action's second step in this job
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error::pkgrel needs Python 3.11 or later: set the input \`python\`, such as to \"3.13\""
    exit 1
fi
"$checkout/script/install" "$home"
# Only pkgrel itself belongs on PATH, not the Python that it runs with.
mkdir "$home/path"
ln -s "$home/bin/pkgrel" "$home/path/pkgrel"
echo "$home/path" >>"$GITHUB_PATH"
echo "$checkout" >"$home/from"
