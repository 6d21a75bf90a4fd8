#!/bin/bash
# Make a root file system, which holds a box's Debian packages, the system of a box's image: program,
# units, overlay, read-only. The same for the test image (image.sh) and the Raspberry Pi (rpi/).
#   KEYRING=FILE COMPATIBLE=NAME install-image.sh ROOT
set -euo pipefail
root=${1:?a root directory}
here=$(cd "$(dirname "$0")/.." && pwd)
: "${KEYRING:?certificates that updates are signed by}" "${COMPATIBLE:?name of the hardware}"
[ "$(readlink -f "$root")" != / ] || { echo "install-image.sh: not over the running system" >&2; exit 2; }
uv=${UV:-$here/.tools/bin/uv}
export UV_SYSTEM_CERTS=1

install_program() {
    venv=$root/opt/edgebox/venv
    mkdir -p "$root/opt/edgebox"
    "$uv" venv --quiet --clear --python /usr/bin/python3 --system-site-packages "$venv"
    "$uv" pip sync --quiet --link-mode=copy --compile-bytecode --python "$venv/bin/python3" \
        --require-hashes "$here/image-build/lock/run.txt"
    "$uv" pip install --quiet --link-mode=copy --compile-bytecode --python "$venv/bin/python3" \
        --no-deps "$here"
    # Programs name the interpreter by the place where they were made.
    grep -rlI "^#!$venv" "$venv/bin" | xargs -r sed -i "1s|^#!$venv|#!/opt/edgebox/venv|"
    ln -sf /opt/edgebox/venv/bin/edgebox "$root/usr/local/bin/edgebox"
}

lay_overlay() {
    # A link of the root that leads to / would lead out of it: the link is replaced, never followed.
    cp -a --no-preserve=ownership --remove-destination "$here/image-build/overlay/." "$root/"
    chmod 600 "$root"/usr/lib/NetworkManager/system-connections/*
    sed -i "s/@COMPATIBLE@/$COMPATIBLE/" "$root/etc/rauc/system.conf"
    install -D -m 644 "$KEYRING" "$root/etc/rauc/keyring.pem"
    install -D -m 600 "$here/config/access-point/hostapd.conf" -t "$root/usr/share/edgebox/access-point"
    install -m 644 "$here/config/access-point/dnsmasq.conf" -t "$root/usr/share/edgebox/access-point"
    install -D -m 644 "$here/config/access-point/access-point.nft" -t "$root/etc/nftables.d"
    install -D -m 644 "$here/config/access-point/20-edgebox-ap.network" -t "$root/usr/lib/systemd/network"
    printf 'IMAGE_ID=%s\nIMAGE_VERSION=%s\n' "$COMPATIBLE" "$("$here/image-build/version.sh")" \
        >>"$root/usr/lib/os-release"
}

# What has to be there before the root file system is read-only.
prepare_places() {
    mkdir -p "$root/data" "$root/bootconfig" "$root/var/log/journal" "$root/var/lib/edgebox" \
        "$root/var/lib/bluetooth" "$root/var/lib/alsa" "$root/var/lib/NetworkManager" \
        "$root/var/lib/chrony" "$root/etc/NetworkManager/system-connections"
    : >"$root/etc/machine-id"
    rm -f "$root/etc/hostname" "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
    ln -s /etc/machine-id "$root/var/lib/dbus/machine-id"
    ln -s /run/NetworkManager/resolv.conf "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$root/etc/hosts"
    touch "$root/usr/lib/clock-epoch"
}

enable_units() {
    ctl() { systemctl --root="$root" --quiet "$@"; }
    ctl enable NetworkManager.service ModemManager.service chrony.service gpsd.socket \
        bluetooth.service nftables.service systemd-networkd.service remember-clock.timer
    # Ours stand in for hostapd's; nobody waits for a network; nothing is fetched behind our back;
    # nobody logs in at a vehicle's console.
    ctl mask hostapd.service systemd-networkd-wait-online.service \
        NetworkManager-wait-online.service apt-daily.timer apt-daily-upgrade.timer \
        dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service systemd-sysusers.service \
        getty@.service serial-getty@.service console-getty.service systemd-firstboot.service \
        systemd-machine-id-commit.service systemd-timesyncd.service systemd-resolved.service
    ctl enable edgebox-kiosk.service
    ctl set-default graphical.target
    # The root's password is locked; there is no other account.
    sed -i 's/^root:[^:]*:/root:*:/' "$root/etc/shadow"
}

install_program
"$here/image-build/install-box.sh" "$root"
lay_overlay
prepare_places
enable_units
