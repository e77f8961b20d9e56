#!/usr/bin/env bash
# vm.args and sys.config: copied to RELEASE_MUTABLE_DIR, with ${VARIABLES} filled in there when
# REPLACE_OS_VARS is set. VMARGS_PATH and SYS_CONFIG_PATH name other files than the release's own.
configure_release() {
    SRC_VMARGS_PATH="${VMARGS_PATH:-$(config_file vm.args)}"
    VMARGS_PATH="$(prepare "$SRC_VMARGS_PATH" vm.args)"
    # As Distillery has it: a given sys.config is used as it is, without replacement.
    SYS_CONFIG_PATH="${SYS_CONFIG_PATH:-$(prepare "$(config_file sys.config)" sys.config)}"
    grep -Eq '^-s?name' "$VMARGS_PATH" || {
        echo "vm.args needs to have either -name or -sname parameter." >&2
        exit 1
    }
    export VMARGS_PATH SYS_CONFIG_PATH
}

config_file() {
    if [ -f "$RELEASE_CONFIG_DIR/$1" ]; then
        echo "$RELEASE_CONFIG_DIR/$1"
    else
        echo "$REL_DIR/$1"
    fi
}

prepare() {
    if [ -n "$RELEASE_READ_ONLY" ]; then
        echo "$1"
        return
    fi
    copy="$RELEASE_MUTABLE_DIR/$2"
    if [ -n "$REPLACE_OS_VARS" ]; then
        replace_os_vars <"$1" >"$copy"
    else
        cat "$1" >"$copy"
    fi
    echo "$copy"
}

replace_os_vars() {
    awk '{
        line = ""
        while (match($0, /[$][{][^}]*[}]/)) {
            name = substr($0, RSTART + 2, RLENGTH - 3)
            line = line substr($0, 1, RSTART - 1) ENVIRON[name]
            $0 = substr($0, RSTART + RLENGTH)
        }
        print line $0
    }'
}

run_hooks() {
    for hook in "$REL_DIR/hooks/$1.d"/*; do
        if [ -f "$hook" ]; then . "$hook"; fi
    done
}

require_cookie() {
    if [ -z "$COOKIE" ] && ! grep -q '^-setcookie' "$VMARGS_PATH" && ! [ -f "$HOME/.erlang.cookie" ]; then
        echo "a secret cookie must be provided" >&2
        exit 1
    fi
}
