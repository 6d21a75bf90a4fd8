#!/bin/sh
# Make this machine a box or a hub: Debian packages, /opt/edgebox/venv, units, users, configuration.
# Configuration and secrets that are there already stay as they are. Debian 12 or 13, root.
#   install.sh [--dry-run] box [BOX_ID HUB_NAME]
#   install.sh [--dry-run] hub [HUB_NAME PUBLIC_ADDRESS]
# --dry-run changes nothing and shows every package, file and line that would change.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
dry=
[ "${1:-}" != --dry-run ] || { dry=yes; shift; }
kind=${1:-}
case $kind in
    box) lists="run vehicle kiosk" ;;
    hub) lists="hub proxy" ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2 ;;
esac
shift
[ "$(id -u)" -eq 0 ] || { echo "install.sh: root is needed" >&2; exit 1; }
paths=
for list in build $lists; do
    paths="$paths $here/image-build/packages/$list.txt"
done
home=/opt/edgebox
uv_version=$(sed -n 's/^UV_VERSION := //p' "$here/Makefile")

show_packages() {
    # shellcheck disable=SC2086,SC2046 # lists of words
    missing=$(apt-get --simulate --no-install-recommends install \
        $(cat $paths | sed 's/#.*//') | sed -n 's/^Inst \([^ ]*\).*/\1/p')
    echo "packages: ${missing:-all there}" | tr '\n' ' '
    echo
}

# What the files would be: laid out below a copy of what they start from.
show_files() {
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    mkdir -p "$stage/etc" "$stage/usr/lib/sysusers.d" "$stage/usr/lib/systemd/system"
    for path in passwd group shadow gshadow edgebox edgebox-hub; do
        [ ! -e "/etc/$path" ] || cp -a "/etc/$path" "$stage/etc/"
    done
    cp -a /usr/lib/systemd/system/multi-user.target "$stage/usr/lib/systemd/system/" 2>/dev/null || :
    "$here/image-build/install-$kind.sh" "$stage" "$@" >/dev/null 2>&1
    find "$stage" -mindepth 1 \( -type f -o -type l \) ! -name '*shadow*' ! -name '*-' | sort | while read -r path; do
        real=${path#"$stage"}
        if [ -L "$path" ]; then
            [ "$(readlink -f "$(readlink "$path")")" = "$(readlink -f "$real")" ] ||
                echo "link: $real -> $(readlink "$path")"
        elif [ ! -e "$real" ]; then
            echo "new: $real"
        elif ! cmp -s "$path" "$real"; then
            case $real in
                */credentials/*) echo "changed: $real" ;;
                *) diff -u --label "$real" --label "$real, new" "$real" "$path" || : ;;
            esac
        fi
    done
}

if [ -n "$dry" ]; then
    show_packages
    echo "environment: $home/venv as in image-build/lock/run.txt"
    show_files "$@"
    exit 0
fi

# shellcheck disable=SC2086 # a list of words
"$here/image-build/install-packages.sh" $paths
mkdir -p "$home"
[ -x "$home/uv/bin/uv" ] || python3 -m venv "$home/uv"
"$home/uv/bin/pip" install --quiet --disable-pip-version-check "uv==$uv_version"
export UV_SYSTEM_CERTS=1
# What the camera module's library brings is Debian's own (python3-picamera2).
[ -x "$home/venv/bin/python3" ] ||
    "$home/uv/bin/uv" venv --quiet --python /usr/bin/python3 --system-site-packages "$home/venv"
"$home/uv/bin/uv" pip sync --quiet --python "$home/venv/bin/python3" --require-hashes \
    "$here/image-build/lock/run.txt"
"$home/uv/bin/uv" pip install --quiet --python "$home/venv/bin/python3" --no-deps \
    --reinstall-package edgebox "$here"
ln -sf "$home/venv/bin/edgebox" /usr/local/bin/edgebox
"$here/image-build/install-$kind.sh" / "$@"
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemd-tmpfiles --create
fi
echo "installed; docs/install.md says what comes next"
