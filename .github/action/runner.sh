# Sourced by the steps: what a runner wants to be told, and how.
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
# shellcheck shell=bash

# output NAME VALUE: an output of the step; a value may have several lines.
output() {
    local end
    end=end-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n') # nothing that a value could have
    printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# words TEXT: an item for each word, into the array `found`; nothing in it is a pattern.
words() {
    # shellcheck disable=SC2034 # it is the caller's
    IFS=$' ,\t\r\n' read -r -d '' -a found <<<"$1" || true
}

# annotated COMMAND...: runs it; its error stands at the line of the settings that it names.
annotated() {
    local status=0 log line
    log=$(mktemp "$RUNNER_TEMP/pkgrel-log.XXXXXX")
    { "$@" 2>&1 >&3 3>&- | tee "$log" >&2; } 3>&1 || status=$?
    [ "$status" -eq 0 ] || while IFS= read -r line; do
        case $line in
        "error: "*) annotation "${line#error: }" ;;
        esac
    done <"$log"
    rm -f "$log"
    return "$status"
}

# annotation MESSAGE: perhaps with a file and a line before it, as pkgrel and compilers write them.
annotation() {
    local place='' message=$1
    if [[ $message =~ ^([^:]+):([0-9]+):\ (.*)$ ]]; then
        place=" file=$(escaped "${BASH_REMATCH[1]#"$PWD/"}" property),line=${BASH_REMATCH[2]}"
        message=${BASH_REMATCH[3]}
    fi
    echo "::error$place::$(escaped "$message")" >&2
}

escaped() {
    local text=${1//'%'/%25}
    text=${text//$'\r'/%0D}
    if [ "${2-}" = property ]; then
        text=${text//:/%3A}
        text=${text//,/%2C}
    fi
    printf %s "$text"
}
