#!/bin/bash
# Build the test image of a box: what rpi/ builds for the Raspberry Pi, from Debian's packages for this
# machine's processor, to be booted in user-mode Linux (tests/boot/uml.py). Root.
#   image.sh        everything below .image/
#     base-*.tar      Debian packages of run, vehicle, kiosk and system.txt; made when a list is new
#     root/           root file system
#     system.ext4     the same as the content of a slot
#     box.img         whole disk: bootconfig boot_a boot_b system_a system_b data
#   KEYRING=FILE        whom the box believes when it is updated; default: a key made here
#   EDGEBOX_VERSION=V   instead of what version.sh says
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
out=$here/.image
root=$out/root
compatible=edgebox-test-$(dpkg --print-architecture)
. /etc/os-release
system_mb=2304
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

make_system() {
    rm -f "$out/system.ext4"
    # No journal: it is never written to, and a power cut leaves nothing to replay.
    mke2fs -q -t ext4 -O ^has_journal -m 0 -L system -E root_owner=0:0 -d "$root" \
        "$out/system.ext4" "${system_mb}M"
}

# boot SLOT PARTITION: as on the Raspberry Pi, but without a kernel.
make_boot() {
    rm -f "$out/boot_$1.vfat"
    truncate -s 8M "$out/boot_$1.vfat"
    mkfs.vfat -n BOOT "$out/boot_$1.vfat" >/dev/null
    echo "root=/dev/ubda$2 rootfstype=ext4 ro rauc.slot=$1 panic=10" |
        mcopy -i "$out/boot_$1.vfat" - ::cmdline.txt
}

make_bootconfig() {
    rm -f "$out/bootconfig.vfat"
    truncate -s 8M "$out/bootconfig.vfat"
    mkfs.vfat -n BOOTCONFIG "$out/bootconfig.vfat" >/dev/null
    mcopy -i "$out/bootconfig.vfat" "$here/image-build/autoboot.txt" ::autoboot.txt
}

# Sizes in MiB; the data partition takes the rest of a larger disk when the box starts first.
make_disk() {
    disk=$out/box.img.new
    rm -f "$disk"
    truncate -s $((1 + 8 + 8 + 8 + 2 * system_mb + 256 + 1))M "$disk"
    sgdisk --clear --set-alignment=2048 \
        --new=1:1M:+8M --typecode=1:0700 --change-name=1:bootconfig \
        --new=2:0:+8M --typecode=2:0700 --change-name=2:boot_a \
        --new=3:0:+8M --typecode=3:0700 --change-name=3:boot_b \
        --new=4:0:+${system_mb}M --change-name=4:system_a \
        --new=5:0:+${system_mb}M --change-name=5:system_b \
        --new=6:0:+256M --change-name=6:data "$disk" >/dev/null
    local at=1
    for part in bootconfig.vfat:8 boot_a.vfat:8 boot_b.vfat:8 system.ext4:$system_mb system.ext4:$system_mb; do
        dd if="$out/${part%:*}" of="$disk" bs=1M seek=$at conv=notrunc,sparse status=none
        at=$((at + ${part#*:}))
    done
    mv "$disk" "$out/box.img"
}

make_base
lay_out
make_system
make_boot a 4
make_boot b 5
make_bootconfig
make_disk
echo "$out/box.img: $(du -m "$out/system.ext4" | cut -f1) MB in each slot, version $(sed -n 's/^IMAGE_VERSION=//p' "$root/usr/lib/os-release")"
