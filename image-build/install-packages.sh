#!/bin/sh
# Install the Debian packages that the given lists name and that are missing.
# Needs root or sudo only when something is missing.
set -eu
wanted=$(cat "$@" | sed 's/#.*//' | tr -s ' \n' ' ')
missing=
for name in $wanted; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
echo "installing Debian packages:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo; install by hand:$missing" >&2; exit 1; }
    as_root=sudo
fi
$as_root apt-get update -q -o DPkg::Lock::Timeout=120
# shellcheck disable=SC2086 # a list of words on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 $missing
