"""Does the core still work? Asked by the watchdog while there is nothing to acknowledge."""

from edgebox.bond.connection import Connection
from edgebox.bond.events import DatagramReceived
from edgebox.bond.seal import Keys

PAYLOAD = b"self-check"


def datagram_passes(secret: bytes, now: float) -> bool:
    """Send one datagram from a box to a hub in memory: seal, schedule, open, acknowledge."""
    keys = Keys(1, "aes-256-gcm", secret, secret[::-1])
    box, hub = Connection("box", keys, now), Connection("hub", keys, now)
    box.attach_path(0, "link", now)
    box.open_flow(1, "nowhere:1", now)
    box.send_datagram(1, PAYLOAD, now)
    box.handle_timeout(now + 0.02)
    for address, packet in box.datagrams_to_send(now + 0.02):
        hub.receive_datagram(address, packet, now + 0.03)
    event = hub.next_event()
    for address, packet in hub.datagrams_to_send(now + 0.05):
        box.receive_datagram(address, packet, now + 0.06)
    arrived = isinstance(event, DatagramReceived) and event.payload == PAYLOAD
    return arrived and box.acknowledged > 0
