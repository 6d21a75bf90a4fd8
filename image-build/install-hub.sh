#!/bin/sh
# Lay the hub's own files out below a root directory: units, users, configuration.
# Packages (image-build/packages/hub.txt) and /opt/edgebox/venv are put there by whoever calls.
# Configuration and secrets that are there already stay as they are.
#   install-hub.sh ROOT [HUB_NAME PUBLIC_ADDRESS]
set -eu
root=${1:?a root directory}
hub=${2:-hub.example.org}
address=${3:-192.0.2.1}
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/image-build/common.sh"

install_units edgebox-hub.target edgebox-hub.slice edgebox-hub-bus.service \
    edgebox-hub-web.service edgebox-hub-bond.service edgebox-hub-conduit.service \
    edgebox-hub-turn.service \
    edgebox-hub-authority.service edgebox-hub-certificates.service edgebox-hub-certificates.timer

install -D -m 644 "$here/systemd/sysctl-hub.conf" "$root/usr/lib/sysctl.d/60-edgebox-hub.conf"

etc=$root/etc/edgebox-hub
install -d -m 700 "$etc/credentials"
# Known before its first start: the operator makes the fleet's keys there.
owner=$(awk -F: '$1 == "edgebox-hub-authority" { print $3 }' "$root/etc/passwd")
group=$(awk -F: '$1 == "edgebox-hub" { print $3 }' "$root/etc/group")
install -d -m 750 -o "$owner" -g "$group" "$root/var/lib/edgebox-hub-authority"
revoked=$root/var/lib/edgebox-hub-authority/revoked
[ -e "$revoked" ] || install -m 644 -o "$owner" -g "$group" /dev/null "$revoked"
install_once 644 "$here/config/edgebox.toml" "$etc/hub.toml" \
    "s/^role = \"box\"/role = \"hub\"/; s#^revoked = .*#revoked = \"/var/lib/edgebox-hub-authority/revoked\"#; s/hub\.example\.org/$hub/g"
install_once 644 "$here/config/mosquitto/hub.conf" "$etc/mosquitto/hub.conf"
install_once 644 "$here/config/mosquitto/hub.acl" "$etc/mosquitto/hub.acl"
install_once 644 "$here/config/mosquitto/hub-help.acl" "$etc/mosquitto/hub-help.acl"
install_once 644 "$here/config/coturn/turnserver.conf" "$etc/coturn/turnserver.conf" \
    "s/192\.0\.2\.1/$address/g; s/hub\.example\.org/$hub/g"
# Made here, known nowhere else.
if [ ! -e "$etc/credentials/turn-secret" ]; then
    (umask 077 && head -c 32 /dev/urandom | base64 >"$etc/credentials/turn-secret")
fi

# Debian starts its own with a configuration that is not ours.
systemctl --root="$root" --quiet mask mosquitto.service coturn.service
systemctl --root="$root" --quiet enable edgebox-hub.target
