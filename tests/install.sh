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
# What this system lacks to install them: nothing is tried then.
cannot() {
    echo "error: these packages are missing: ${missing[*]}" >&2
    echo "hint: $1" >&2
    exit 1
}
command -v apt-get >/dev/null ||
    cannot "these are Debian's package names; install the packages under the names that your system uses"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        cannot "sudo is not available; run as root: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi

# Says what apt had to say only when it failed.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 </dev/null && return
    cat "$log" >&2
    echo "error: apt-get $1 failed" >&2
    exit 1
}
echo "installing: ${missing[*]}" >&2
apt update
apt install -y --no-install-recommends "${missing[@]}"
