"""What the box says of itself by DNS-SD, and what it makes of what others say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.headset.discovery import Announced, own_address, parse, properties, service_info


def test_nothing_of_vehicle_or_people_is_said() -> None:
    assert properties("box-1") == {"v": "1", "box": "box-1", "path": "/"}
    info = service_info("box-1", "10.77.0.1", 443)
    assert info.name == "box-1._edgebox._tcp.local."
    assert info.server == "box-1.local."
    assert parse(info.properties) == Announced("box-1", "/")


@given(txt=st.dictionaries(st.binary(max_size=10), st.none() | st.binary(max_size=60), max_size=5))
def test_any_record(txt: dict[bytes, bytes | None]) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(txt)


@given(box=st.binary(max_size=40), path=st.binary(max_size=60))
def test_any_values(box: bytes, path: bytes) -> None:
    try:
        found = parse({b"v": b"1", b"box": box, b"path": path})
    except RemoteProtocolError:
        return
    assert found.box.encode() == box
    assert found.path.startswith("/")
    assert len(found.path) <= 41


@pytest.mark.parametrize(
    ("host", "is_one"), [("10.77.0.1", True), ("0.0.0.0", False), ("::", False), ("box", False)]
)
def test_only_on_an_address_of_its_own(host: str, is_one: bool) -> None:
    assert own_address(host) is is_one
