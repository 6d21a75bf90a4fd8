"""Messages of remote pages: any bytes give a message or RemoteProtocolError."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.hub import protocol
from edgebox.hub.protocol import Candidate, Leave, Muted, Offer, Ping

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["Offer", "Candidate", "Muted", "Leave", "Ping", "State", ""])},
    optional=dict.fromkeys(("id", "sdp", "offer", "candidate", "mid", "muted", "x"), JSON),
)


def _decode(data: str | bytes) -> None:
    try:
        message = protocol.decode(data)
    except RemoteProtocolError:
        return
    assert isinstance(message, Offer | Candidate | Muted | Leave | Ping)


@given(st.binary() | st.text())
def test_any_bytes(data: str | bytes) -> None:
    _decode(data)


@given(FIELDS)
def test_any_fields(fields: dict[str, Any]) -> None:
    _decode(json.dumps(fields))


@pytest.mark.parametrize("depth", [100, 10_000, 60_000])
def test_deep_nesting(depth: int) -> None:
    _decode('{"type":"Ping","x":' + "[" * depth + "]" * depth + "}")
    _decode('{"type":"Ping","x":' + '{"x":' * depth)


def test_page_cannot_send_what_is_the_hubs_to_send() -> None:
    for kind in ("State", "Answer", "Ended", "IceServers", "Pong"):
        with pytest.raises(RemoteProtocolError):
            protocol.decode(json.dumps({"type": kind}))
