#!/usr/bin/env bash
# Runs the VM in this process, as a service manager wants it.
if [ -n "$RELEASE_READ_ONLY" ]; then
    echo "Cannot start a release with RELEASE_READ_ONLY set!" >&2
    exit 1
fi
require_cookie
run_hooks pre_start
exec "$BINDIR/erlexec" -noshell -noinput +Bd \
    -boot "$REL_DIR/$REL_NAME" \
    -pa "$ROOTDIR/lib/$REL_NAME-$REL_VSN/consolidated" \
    -args_file "$VMARGS_PATH" \
    -config "$SYS_CONFIG_PATH" \
    -mode "${CODE_LOADING_MODE:-embedded}" \
    -extra "$@"
