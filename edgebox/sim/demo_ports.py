"""The ports of the demo: free ones, side by side."""

import socket
from dataclasses import dataclass

from edgebox.errors import DeviceError
from edgebox.sim.ports import LOOPBACK, free_port, is_free


@dataclass(frozen=True)
class Ports:
    """Ports people use (consecutive from `first`) and ports that only parts of the demo use."""

    panel: int
    room: int
    control: int
    preview: int
    turn: int
    turn_box: int
    bond: int
    key_exchange: int
    broker: int
    links: tuple[int, int, int]
    relay_key_exchange: int
    gpsd: int
    sms: int
    monitor: int
    staff: int
    headset: int
    help_broker: int
    relay_help: int
    relay_broker: int
    conduit: int
    conduit_box: int
    conduit_hub: int


def choose_ports(first: int) -> Ports:
    """Check that the four public ports are free and find the others.

    Raises DeviceError naming the port that is taken and what to do.
    """
    for offset, what in enumerate(("panel", "room", "control", "preview")):
        if not is_free(first + offset, socket.SOCK_STREAM):
            raise DeviceError(
                f"port {first + offset} ({what}) is in use on {LOOPBACK}: is another demo running? "
                f"Stop it, or choose other ports with --port"
            )
    rest = [free_port() for _ in range(20)]
    return Ports(
        panel=first,
        room=first + 1,
        control=first + 2,
        preview=first + 3,
        turn=rest[0],
        turn_box=rest[1],
        bond=rest[2],
        key_exchange=rest[3],
        broker=rest[4],
        links=(rest[5], rest[6], rest[7]),
        conduit=rest[8],
        relay_key_exchange=rest[9],
        gpsd=rest[10],
        sms=rest[11],
        monitor=rest[12],
        staff=rest[13],
        headset=rest[14],
        help_broker=rest[15],
        relay_help=rest[16],
        conduit_box=rest[17],
        conduit_hub=rest[18],
        relay_broker=rest[19],
    )
