#!/usr/bin/env bash
# Runs an escript with the release's own Erlang.
exec "$BINDIR/escript" "$ROOTDIR/$1" "${@:2}"
