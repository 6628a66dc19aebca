#!/bin/bash
# Installs the Debian packages of packages.txt that are missing: install.sh SECTION...
# Says nothing and takes no time when everything is there.
set -euo pipefail
list=$(dirname "$0")/packages.txt
missing=()
for section in "$@"; do
    while read -r package command; do
        if [ -n "$command" ] && command -v "$command" >/dev/null; then
            continue
        fi
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        if [ "$status" != installed ]; then
            missing+=("$package")
        fi
    done < <(awk -v section="$section:" '/^#/ { on = ($2 == section); next } on' "$list")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
echo "installing: ${missing[*]}" >&2
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    sudo=(sudo)
fi
"${sudo[@]}" apt-get update -qq >&2
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
