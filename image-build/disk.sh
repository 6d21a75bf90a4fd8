#!/bin/bash
# Make a disk of a root file system, as it is flashed, for user-mode Linux:
#   disk.sh ROOT OUT SYSTEM_MB
#     OUT/system.ext4       content of a slot, SYSTEM_MB large
#     OUT/boot_[ab].vfat    what the firmware reads; no kernel: that is a program of this machine
#     OUT/box.img           whole disk: bootconfig boot_a boot_b system_a system_b data
set -euo pipefail
root=${1:?a root directory}
out=${2:?a directory}
system_mb=${3:?the size of a slot in MiB}
here=$(cd "$(dirname "$0")/.." && pwd)

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

make_system
make_boot a 4
make_boot b 5
make_bootconfig
make_disk
