#!/bin/sh
# Lay the box's own files out below a root directory: units, users, configuration, broker.
# Packages (image-build/packages/run.txt) and /opt/edgebox/venv are put there by whoever calls.
# Configuration that is there already stays as it is.
#   install-box.sh ROOT [BOX_ID HUB_NAME]
set -eu
root=${1:?a root directory}
box=${2:-box-1}
hub=${3:-hub.example.org}
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/image-build/common.sh"

install_units edgebox.target edgebox.slice edgebox-live.slice edgebox-kiosk.service \
    edgebox-bus.service edgebox-bond.service edgebox-conduit.service edgebox-media.service \
    edgebox-panel.service \
    edgebox-vehicle.service edgebox-vitals.service edgebox-headset.service \
    edgebox-support.service edgebox-shell.socket edgebox-shell@.service \
    edgebox-config.service edgebox-identity.path edgebox-identity.service \
    edgebox-voucher.service edgebox-usb@.service \
    edgebox-update.service edgebox-update-restart.path edgebox-update-restart.service \
    edgebox-renewal.timer edgebox-renewal.service
install -D -m 755 "$here/image-build/usb-voucher" "$root/opt/edgebox/libexec/usb-voucher"
install -D -m 644 "$here/config/udev/70-edgebox-usb.rules" -t "$root/usr/lib/udev/rules.d"
install -D -m 644 "$here/config/udev/71-edgebox-gpio.rules" -t "$root/usr/lib/udev/rules.d"
install -D -m 644 "$here/config/polkit/50-edgebox.rules" -t "$root/usr/share/polkit-1/rules.d"
install -D -m 755 "$here/image-build/kiosk" "$root/opt/edgebox/libexec/kiosk"

install -d -m 700 "$root/etc/edgebox/credentials"
install_once 644 "$here/config/edgebox.toml" "$root/etc/edgebox/edgebox.toml" \
    "s/^id = \"box-1\"/id = \"$box\"/; s/hub\.example\.org/$hub/g"
install_once 644 "$here/config/mosquitto/box.conf" "$root/etc/edgebox/mosquitto/box.conf" \
    "s/box-1/$box/g; s/hub\.example\.org/$hub/g"
install -D -m 644 "$here/config/edgebox.toml" -t "$root/usr/share/edgebox"
# Most vehicles have no text message gateway: an empty token.
install_once 600 /dev/null "$root/etc/edgebox/credentials/sms-token"

# Debian starts its own with a configuration that is not ours.
systemctl --root="$root" --quiet mask mosquitto.service
systemctl --root="$root" --quiet enable edgebox.target edgebox-identity.path edgebox-renewal.timer \
    edgebox-update-restart.path
