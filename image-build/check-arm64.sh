#!/bin/sh
# Does every package of a box exist for the Raspberry Pi's arm64, with all it depends on, and does
# every Python library have a wheel there? Nothing is installed; indexes are fetched.
#   check-arm64.sh [RELEASE...]      default: bookworm trixie
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- bookworm trixie
names=$(cat "$here"/image-build/packages/run.txt "$here"/image-build/packages/vehicle.txt \
    "$here"/image-build/packages/kiosk.txt "$here"/image-build/packages/system.txt | sed 's/#.*//')
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |
    grep -v security | sort -u | head -n 1)
for release in "$@"; do
    root=$work/$release
    mkdir -p "$root/lists/partial" "$root/archives/partial" "$root/parts"
    : >"$root/status"
    echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" \
        >"$root/sources.list"
    set_apt() {
        apt-get -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
            -o Dir::Etc::sourcelist="$root/sources.list" -o Dir::Etc::sourceparts="$root/parts" \
            -o Dir::State="$root" -o Dir::State::lists="$root/lists" \
            -o Dir::State::status="$root/status" -o Dir::Cache="$root" \
            -o APT::Install-Recommends=false -o APT::Sandbox::User=root "$@"
    }
    set_apt -qq update
    # shellcheck disable=SC2086 # a list of names
    count=$(set_apt --simulate install $names | grep -c '^Inst ')
    echo "$release arm64: $count packages, none missing"
done
# systemd-python has no wheels anywhere: it is built when the image is (packages/build.txt).
for python in 3.11 3.13; do
    "$here/.tools/bin/uv" pip install --quiet --dry-run --target "$work/python" \
        --python "$here/.venv/bin/python" --python-version "$python" \
        --python-platform aarch64-manylinux_2_36 --no-deps --only-binary :all: \
        --no-binary systemd-python --require-hashes -r "$here/image-build/lock/run.txt"
    echo "arm64 wheels for Python $python: all there but systemd-python, which is built"
done
