"""A configured link of the box, and what the system and the hub's names allow it now."""

import ipaddress
import socket
from dataclasses import dataclass

from edgebox.bond.transport import (
    HEADERS_V4,
    Address,
    bind_to_link,
    never_fragment,
    udp_socket,
)
from edgebox.config.bond import Link
from edgebox.host.netlink import Interfaces


@dataclass
class BoxLink:
    """One configured link and its socket, if the system has it now."""

    number: int
    config: Link
    sock: socket.socket | None = None
    remote: Address = None
    headers: int = HEADERS_V4
    """Bytes of IP and UDP headers of each packet."""
    bytes_sent: int = 0
    bytes_received: int = 0
    """Since the start, with headers."""
    family: int = 0
    bound_to: int = 0
    """The interface's index when the socket was opened."""
    present: bool = False
    """The interface or source address exists."""
    reopen_at: float = 0.0
    since: float = 0.0


class Surroundings:
    """The system's interfaces, and where the hub's names lead."""

    def __init__(self, hub: str):
        self.interfaces: Interfaces = {}
        self.remotes: dict[str, list[tuple[int, Address]]] = {}
        self._hub = hub

    def name_of(self, config: Link) -> str:
        """The hub's name for this link."""
        return config.remote or self._hub

    def has(self, config: Link) -> bool:
        """The link's interface is up, or its source address exists."""
        if config.interface:
            interface = self.interfaces.get(config.interface)
            return interface is not None and interface.up
        try:
            with socket.socket(_family(config.source), socket.SOCK_DGRAM) as probe:
                probe.bind((config.source, 0))
        except OSError:
            return False
        return True

    def have_changed(self, link: BoxLink) -> bool:
        """The interface is another one of the same name, or has lost its addresses of our kind.

        Other changes of address need nothing: the kernel takes one that is valid for each packet.
        """
        if not link.config.interface:
            return False
        interface = self.interfaces.get(link.config.interface)
        replaced = interface is not None and interface.index != link.bound_to
        return replaced or link.family not in self._families(link.config)

    def index_of(self, config: Link) -> int:
        """Of the link's interface; 0 without one."""
        interface = self.interfaces.get(config.interface)
        return interface.index if interface else 0

    def reachable(self, config: Link) -> list[tuple[int, Address]]:
        """Families and addresses of the hub that this link can send to."""
        families = self._families(config)
        return [entry for entry in self.remotes.get(self.name_of(config), []) if
                entry[0] in families]  # fmt: skip

    def _families(self, config: Link) -> set[int]:
        if config.source:
            return {_family(config.source)}
        interface = self.interfaces.get(config.interface)
        usable = [text for text in interface.addresses if text] if interface else []
        return {_family(text) for text in usable if not text.lower().startswith("fe80")}


def link_socket(config: Link, family: int) -> socket.socket:
    """Leaves by this link only, whole. Raises OSError when the system cannot."""
    sock = udp_socket(family)
    try:
        bind_to_link(sock, config)
        never_fragment(sock)
    except OSError:
        sock.close()
        raise
    return sock


def _family(text: str) -> int:
    is_v6 = ipaddress.ip_address(text).version == 6
    return socket.AF_INET6 if is_v6 else socket.AF_INET
