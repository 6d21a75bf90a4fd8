#!/bin/sh
# Lay the box's own files out below a root directory: units, users, configuration, broker.
# Packages (image-build/packages/box.txt) and /opt/edgebox/venv are put there by whoever calls.
# Configuration that is there already stays as it is.
#   install-box.sh ROOT [BOX_ID HUB_NAME]
set -eu
root=${1:?a root directory}
box=${2:-box-1}
hub=${3:-hub.example.org}
here=$(cd "$(dirname "$0")/.." && pwd)

units=$root/usr/lib/systemd/system
install -d "$units/edgebox-.service.d" "$root/usr/lib/sysusers.d" "$root/etc/edgebox/mosquitto"
install -d -m 700 "$root/etc/edgebox/credentials"
for unit in "$here"/systemd/*.service "$here"/systemd/*.target "$here"/systemd/*.slice; do
    install -m 644 "$unit" -t "$units"
done
dropins=$here/systemd/edgebox-.service.d
install -m 644 "$dropins/10-hardening.conf" -t "$units/edgebox-.service.d"
version=$(find "$root/usr/lib/systemd" "$root/usr/lib" -name 'libsystemd-shared-*.so' 2>/dev/null |
    sed -n 's/.*shared-\([0-9]*\).*/\1/p' | head -n 1)
[ "${version:-0}" -lt 254 ] ||
    install -m 644 "$dropins/20-back-off.conf" -t "$units/edgebox-.service.d"
install -m 644 "$here/systemd/sysusers.conf" "$root/usr/lib/sysusers.d/edgebox.conf"
install -D -m 755 "$here/image-build/kiosk" "$root/opt/edgebox/libexec/kiosk"

[ -e "$root/etc/edgebox/edgebox.toml" ] ||
    sed "s/^id = \"box-1\"/id = \"$box\"/; s/hub\.example\.org/$hub/g" \
        "$here/config/edgebox.toml" >"$root/etc/edgebox/edgebox.toml"
[ -e "$root/etc/edgebox/mosquitto/box.conf" ] ||
    sed "s/box-1/$box/g; s/hub\.example\.org/$hub/g" \
        "$here/config/mosquitto/box.conf" >"$root/etc/edgebox/mosquitto/box.conf"
# Most vehicles have no text message gateway: an empty token.
[ -e "$root/etc/edgebox/credentials/sms-token" ] ||
    install -m 600 /dev/null "$root/etc/edgebox/credentials/sms-token"
chmod 644 "$root/etc/edgebox/edgebox.toml" "$root/etc/edgebox/mosquitto/box.conf"

# The root is read-only in a vehicle: users are made now, not at boot.
systemd-sysusers --root="$root"
systemctl --root="$root" --quiet enable edgebox.target
