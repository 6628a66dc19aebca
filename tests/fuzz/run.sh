#!/bin/bash
# Fuzzes for long: tests/fuzz/run.sh [SECONDS] [NAME...]; 600 seconds and all targets by default.
# Crashes go to build/fuzz/crash-NAME-*; new inputs go to build/fuzz/corpus, for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-600}
shift || true
if [ $# -eq 0 ]; then
    set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
fi
build=build/fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
python3 tests/fuzz/seeds.py $build/seeds
for name in "$@"; do
    echo "== $name, $seconds seconds"
    mkdir -p "$build/corpus/$name"
    "$build/tests/fuzz_$name" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$build/crash-$name-" \
        "$build/corpus/$name" "$build/seeds/$name"
done
