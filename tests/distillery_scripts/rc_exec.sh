#!/usr/bin/env bash
# bin/@NAME@_rc_exec.sh: finds the installed version and hands over to its own script.
set -e
RELEASE_ROOT_DIR="$(cd "$(dirname "$0")/.." && pwd -P)"
REL_NAME="${REL_NAME:-@NAME@}"
read -r erts version <"$RELEASE_ROOT_DIR/releases/start_erl.data" || true
ERTS_VSN="${ERTS_VSN:-$erts}"
REL_VSN="${REL_VSN:-$version}"
export RELEASE_ROOT_DIR REL_NAME REL_VSN ERTS_VSN
exec "$RELEASE_ROOT_DIR/releases/$REL_VSN/$REL_NAME.sh" "$@"
