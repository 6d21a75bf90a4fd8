#!/bin/bash
# Build the test image of a box: what rpi/ builds for the Raspberry Pi, from Debian's packages for this
# machine's processor, to be booted in user-mode Linux (tests/boot/uml.py). Root.
#   image.sh        everything below .image/
#     base-*.tar      Debian packages of run, vehicle, kiosk and system.txt; made when a list is new
#     root/           root file system
#     system.ext4, boot_a.vfat, boot_b.vfat, box.img   as disk.sh makes them
#   KEYRING=FILE        whom the box believes when it is updated; default: a key made here
#   EDGEBOX_VERSION=V   instead of what version.sh says
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
out=$here/.image
root=$out/root
compatible=edgebox-test-$(dpkg --print-architecture)
. /etc/os-release
mkdir -p "$out"
exec 9>"$out/lock"
flock 9

names() { cat "${@/#/$here/image-build/packages/}" | sed 's/#.*//' | tr -s ' \n' '\n' | sort -u; }

make_base() {
    packages=$(names run.txt vehicle.txt kiosk.txt system.txt | paste -sd, | sed 's/^,//')
    base=$out/base-$(echo "$VERSION_CODENAME $packages" | sha256sum | head -c 12).tar
    [ ! -e "$base" ] || return 0
    # Licences stay: they are passed on with the image. Its mounts, this machine's /dev/shm among them,
    # are in a name space of their own: none is left behind, however this ends.
    unshare --mount --propagation private mmdebstrap --format=tar --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        "$VERSION_CODENAME" "$base.new" >"$out/mmdebstrap.log" 2>&1 ||
        { tail -n 20 "$out/mmdebstrap.log" >&2; exit 1; }
    mv "$base.new" "$base"
}

lay_out() {
    rm -rf "$root"
    mkdir "$root"
    tar -xf "$base" -C "$root"
    KEYRING=${KEYRING:-$(lab_keyring)} COMPATIBLE=$compatible \
        "$here/image-build/install-image.sh" "$root"
    # User-mode Linux is a program of this machine; its modules belong to the image it boots.
    mkdir -p "$root/usr/lib/modules"
    cp -a /usr/lib/uml/modules/. "$root/usr/lib/modules/"
}

lab_keyring() {
    "$here/image-build/update-key.sh" "$out/update-key" >&2
    echo "$out/update-key/cert.pem"
}

make_base
lay_out
"$here/image-build/disk.sh" "$root" "$out" 2304
echo "$out/box.img: $(du -m "$out/system.ext4" | cut -f1) MB in each slot, version $(sed -n 's/^IMAGE_VERSION=//p' "$root/usr/lib/os-release")"
