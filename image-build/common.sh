# What install-box.sh and install-hub.sh share. Sourced; `root` and `here` are set.

# Units, what all have in common, and users, below $root.
install_units() {
    units=$root/usr/lib/systemd/system
    for dropin in "$here"/systemd/edgebox-*.service.d/*.conf; do
        [ "$(basename "$dropin")" != 20-back-off.conf ] || continue
        install -D -m 644 "$dropin" "$units/$(basename "$(dirname "$dropin")")/$(basename "$dropin")"
    done
    # Only a systemd that knows RestartSteps= is given it.
    version=$(find "$root/usr/lib" -name 'libsystemd-shared-*.so' 2>/dev/null |
        sed -n 's/.*shared-\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -lt 254 ] ||
        install -m 644 "$here/systemd/edgebox-.service.d/20-back-off.conf" \
            -t "$units/edgebox-.service.d"
    for unit in "$@"; do
        install -m 644 "$here/systemd/$unit" -t "$units"
    done
    install -D -m 644 "$here/systemd/sysusers.conf" "$root/usr/lib/sysusers.d/edgebox.conf"
    # The root may be read-only later: users are made now, not at boot.
    systemd-sysusers --root="$root"
}

# install_once MODE SOURCE TARGET [SED_SCRIPT]: what is there already stays as it is.
install_once() {
    [ ! -e "$3" ] || return 0
    install -d "$(dirname "$3")"
    sed "${4:-}" "$2" >"$3"
    chmod "$1" "$3"
}
