#!/bin/sh
# The cost of processors, each by itself on one core: builds the program and runs it.
#   tests/bench/processors.sh [--records N] [--keys N] [NAME...]
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${TIDEMILL_BENCH_BUILD:-$root/build/bench}
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTIDEMILL_BENCH=ON -DTIDEMILL_TESTS=OFF >/dev/null
cmake --build "$build" --target bench_processors >/dev/null
exec "$build/bench_processors" "$@"
