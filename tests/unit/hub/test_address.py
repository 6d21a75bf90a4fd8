"""Whose request counts for whom."""

import pytest

from edgebox.hub.address import client_key


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "key"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("::1", "203.0.113.1, 198.51.100.9", "198.51.100.9"),
        ("127.0.0.1", "198.51.100.9, junk", "127.0.0.1"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("127.0.0.1", "2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("", "", "None"),
    ],
)
def test_key(peer: str, forwarded_for: str, key: str) -> None:
    assert client_key(peer, forwarded_for) == key
