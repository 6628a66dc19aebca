#!/bin/sh
# docs/configuration.md agrees with the tables.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${TIDEMILL_BUILD:-$root/build/asan}
if ! "$build/tidemilld" --reference | diff -u "$root/docs/configuration.md" -; then
    echo "write it again: $build/tidemilld --reference > docs/configuration.md" >&2
    exit 1
fi
