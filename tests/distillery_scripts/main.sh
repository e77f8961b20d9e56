#!/usr/bin/env bash
# releases/@VERSION@/@NAME@.sh: prepares the configuration, then runs a command of libexec or one
# that the project added in commands.
set -e
RELEASE_LIBEXEC_DIR="$(cd "$(dirname "$0")" && pwd -P)/libexec"
. "$RELEASE_LIBEXEC_DIR/env.sh"
. "$RELEASE_LIBEXEC_DIR/config.sh"
cd "$RELEASE_ROOT_DIR"

command="${1:-help}"
[ "$#" -eq 0 ] || shift
for script in "$RELEASE_LIBEXEC_DIR/commands/$command.sh" "$REL_DIR/commands/$command.sh"; do
    if [ -f "$script" ]; then
        configure_release
        . "$script" "$@"
        exit
    fi
done
echo "'$command' is not a valid command" >&2
exit 1
