"""Whose request this is: the address that limits count by.

Behind a TLS front on this machine the client's address is the last of X-Forwarded-For, the one the
front itself wrote; from anywhere else the header is a stranger's claim and ignored.
"""

import ipaddress


def client_key(peer: str, forwarded_for: str) -> str:
    """Key for rate limits: an IPv4 address or an IPv6 /64, which one subscriber gets as a whole."""
    address = _parse(peer)
    if address is not None and address.is_loopback and forwarded_for:
        address = _parse(forwarded_for.rpartition(",")[2].strip()) or address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
