#!/bin/sh
# docs/protocol.md must be what generate.py makes from the messages.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
made=$(mktemp)
trap 'rm -f "$made"' EXIT
python3 "$root/protocol/generate.py" --doc "$made" "$root"/protocol/messages/*.msg
if ! diff -u "$root/docs/protocol.md" "$made"; then
    echo "docs/protocol.md is out of date; its second paragraph has the command that generates it"
    exit 1
fi
