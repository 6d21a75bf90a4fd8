#!/bin/bash
# Boot files, and the template of the disk. Run by rpi-image-gen before it makes images:
#   preimage.sh ROOT GENIMAGE_INPUT
set -euo pipefail
root=$1
input=$2
here=$IGconf_edgebox_source/image-build

install -D -m 644 "$here/autoboot.txt" "$root/bootconfig/autoboot.txt"
cat "$LAYER_DIR/config.txt" >>"$root/boot/firmware/config.txt"
# Both slots have the same boot files: config.txt takes the command line of the partition it is on.
for slot in a b; do
    printf 'root=PARTLABEL=system_%s rootfstype=ext4 ro rootwait rauc.slot=%s %s\n' "$slot" "$slot" \
        "$(cat "$LAYER_DIR/cmdline-common.txt")" >"$root/boot/firmware/cmdline-$slot.txt"
done
rm -f "$root/boot/firmware/cmdline.txt"
# Firmware's files are not part of a slot's root file system.
sed -e "s|<IMAGE_NAME>|$IGconf_image_name|g" -e "s|<IMAGE_SUFFIX>|$IGconf_image_suffix|g" \
    -e "s|<BOOT_SIZE>|$IGconf_image_boot_part_size|g" \
    -e "s|<SYSTEM_SIZE>|$IGconf_image_system_part_size|g" \
    -e "s|<DATA_SIZE>|$IGconf_image_data_part_size|g" \
    -e "s|<SECTOR_SIZE>|$IGconf_device_sector_size|g" \
    "$LAYER_DIR/genimage.cfg.in" >"$input/genimage.cfg"
