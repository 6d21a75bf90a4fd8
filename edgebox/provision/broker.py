"""The box's broker configuration: as provisioning writes it, and whether one is whole."""

from pathlib import Path

from edgebox.host.daemons import TlsFiles, box_broker_text

BROKER_PORT = 8883
CONDUIT = "127.0.0.1:18883"
"""`conduit.listen`. A box where that is another has to have its box.conf changed with it."""
CREDENTIALS = Path("/run/credentials/edgebox-bus.service")
"""Where systemd lays the broker's credentials out."""
NEEDED = ("listener", "connection", "address", "topic", "bridge_cafile", "bridge_keyfile")
"""Without these nothing of the box, or nothing of the hub, reaches anybody."""


def broker_text(box: str, hub: str) -> str:
    """mosquitto.conf of a box. `hub`: host name or IP address."""
    tls = TlsFiles(*(CREDENTIALS / name for name in ("fleet-ca.pem", "device.pem", "device.key")))
    host = f"[{hub}]" if ":" in hub else hub
    return box_broker_text(
        box=box,
        socket=Path("/run/edgebox/bus.sock"),
        ways=(CONDUIT, f"{host}:{BROKER_PORT}"),
        tls=tls,
        user="edgebox-bus",
    )


def broker_problem(data: bytes) -> str:
    """Why this is no whole mosquitto.conf of a box; empty if it is.

    mosquitto itself cannot be asked: it has no way to check a file without serving by it. Damage by
    a power cut is what this looks for: nothing, zeros, a part.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "not UTF-8 text"
    if "\0" in text:
        return "it holds zeros"
    lines = [line.split() for line in text.splitlines() if line.strip()]
    words = {line[0] for line in lines if not line[0].startswith("#") and len(line) > 1}
    missing = [word for word in NEEDED if word not in words]
    if missing:
        return f"it has no {missing[0]}" if lines else "it is missing or empty"
    if not text.endswith("\n"):
        return "its last line is not whole"
    return ""
