#!/usr/bin/env bash
# Where everything is. RELEASE_MUTABLE_DIR is made when it is missing, so it must be somewhere that
# the service may write.
# shellcheck disable=SC2034 # the other scripts use it
REL_DIR="$RELEASE_ROOT_DIR/releases/$REL_VSN"
RELEASE_MUTABLE_DIR="${RELEASE_MUTABLE_DIR:-$RELEASE_ROOT_DIR/var}"
RELEASE_CONFIG_DIR="${RELEASE_CONFIG_DIR:-$RELEASE_ROOT_DIR}"
RUNNER_LOG_DIR="${RUNNER_LOG_DIR:-$RELEASE_MUTABLE_DIR/log}"
ROOTDIR="$RELEASE_ROOT_DIR"
BINDIR="$ROOTDIR/erts-$ERTS_VSN/bin"
EMU=beam
PROGNAME=erl
export ROOTDIR BINDIR EMU PROGNAME
if [ -z "$RELEASE_READ_ONLY" ]; then
    mkdir -p "$RELEASE_MUTABLE_DIR" "$RUNNER_LOG_DIR"
fi
