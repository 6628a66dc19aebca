#!/bin/sh
# docs/commands.md agrees with the table of commands.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${TIDEMILL_BUILD:-$root/build/asan}
if ! "$build/tidemill" completion markdown | diff -u "$root/docs/commands.md" -; then
    echo "write it again: $build/tidemill completion markdown > docs/commands.md" >&2
    exit 1
fi
