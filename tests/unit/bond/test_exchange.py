"""The key exchange's own decisions; the exchange itself is in test_bond_processes."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgebox.bond.exchange import Answer, KeyServer, host_of
from edgebox.bond.seal import Keys
from edgebox.config import Bond, Config


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> KeyServer:
    directory: Path = tmp_path_factory.mktemp("keys")
    (directory / "key").write_text("5a" * 32)
    config = Config(bond=Bond(role="hub", static_key="key"), directory=str(directory))

    def accept(box: str, keys: Keys) -> None:
        raise AssertionError("a stranger got a session")

    return KeyServer(config, lambda: 1, accept)


@given(line=st.binary(max_size=200))
@example(line=b'{"suites":["aes-256-gcm"],"box":"\xff"}\n')
@example(line=b'{"suites":["aes-256-gcm"],"box":"b1","proof":"\xc3\xa9"}\n')
@example(line=b"[" * 2000)
def test_any_line_of_a_stranger_gets_silence(server: KeyServer, line: bytes) -> None:
    assert server._answer(line, asyncio.Transport()) is None


def test_addresses_of_one_customer_count_as_one_host() -> None:
    assert host_of(("192.0.2.1", 5)) == "192.0.2.1"
    assert host_of(("::ffff:192.0.2.1", 5, 0, 0)) == "192.0.2.1"
    assert host_of(("2001:db8::1", 5, 0, 0)) == host_of(("2001:db8::ffff:2", 5, 0, 0))
    assert host_of(("2001:db8::1", 5, 0, 0)) != host_of(("2001:db8:0:1::1", 5, 0, 0))
    assert host_of(("fe80::1%lo", 5, 0, 1))


@pytest.mark.parametrize("session", [-1, 1 << 32])
def test_session_id_that_the_wire_has_no_room_for_is_refused(session: int) -> None:
    line = msgspec.json.encode({"session": session, "suite": "aes-256-gcm"})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(line, type=Answer)
