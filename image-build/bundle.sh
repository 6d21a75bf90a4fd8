#!/bin/sh
# Make a signed update of an image's root file system, and on a Raspberry Pi of its boot partition.
# RAUC's verity format: the signature is checked when it is opened, each block when it is read.
#   bundle.sh ROOTFS VERSION COMPATIBLE CERTIFICATE KEY BUNDLE [BOOT]
# CERTIFICATE and KEY: PEM files, or for KEY a PKCS 11 address (rauc(1)).
# COMPRESSION=gzip in the environment is quicker than xz, and larger.
set -eu
[ $# -ge 6 ] || { sed -n '/^#   /s/^#   //p' "$0" >&2; exit 2; }
rootfs=$1 version=$2 compatible=$3 certificate=$4 key=$5 bundle=$6 boot=${7:-}
work=$(mktemp -d "$(dirname "$bundle")/.bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/content"
ln "$rootfs" "$work/content/rootfs.img" 2>/dev/null ||
    cp --sparse=always "$rootfs" "$work/content/rootfs.img"
# What a new file system does not use is zeros, which cost nothing on the way.
{
    printf '[update]\ncompatible=%s\nversion=%s\n\n' "$compatible" "$version"
    printf '[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=rootfs.img\n'
    if [ -n "$boot" ]; then
        cp "$boot" "$work/content/boot.img"
        printf '\n[image.boot]\nfilename=boot.img\n'
    fi
} >"$work/content/manifest.raucm"
rauc --cert "$certificate" --key "$key" --mksquashfs-args="-comp ${COMPRESSION:-xz} -quiet -no-progress" \
    bundle "$work/content" "$work/bundle.raucb" >&2
mv "$work/bundle.raucb" "$bundle"
