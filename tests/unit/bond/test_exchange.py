"""The key exchange's own decisions; the exchange itself is in test_bond_processes."""

import asyncio
import contextlib
import ssl
import time
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st

from edgebox.bond.exchange import Answer, tls_context
from edgebox.bond.key_server import KeyServer, host_of
from edgebox.bond.revocation import Identity
from edgebox.bond.seal import Keys
from edgebox.config import Config
from edgebox.config.bond import Bond
from edgebox.host.daemons import TlsFiles
from edgebox.identity.certificate import Authority, issue, pem
from edgebox.identity.request import key_pem, make_key
from edgebox.sim import pki


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> KeyServer:
    directory: Path = tmp_path_factory.mktemp("keys")
    (directory / "key").write_text("5a" * 32)
    config = Config(bond=Bond(role="hub", static_key="key"), directory=str(directory))

    def accept(identity: Identity, keys: Keys) -> bool:
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


def shake_hands(hub: ssl.SSLContext, box: ssl.SSLContext, host: str) -> None:
    """In memory. Raises ssl.SSLError."""
    to_hub, to_box = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        box.wrap_bio(to_box, to_hub, server_hostname=host),
        hub.wrap_bio(to_hub, to_box, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


def context_of(role: Literal["box", "hub"], files: TlsFiles) -> ssl.SSLContext:
    bond = Bond(
        role=role,
        ca=str(files.ca),
        certificate=str(files.certificate),
        private_key=str(files.private_key),
    )
    return tls_context(Config(bond=bond))


def test_common_name_of_the_hubs_host_does_not_make_a_hub(tmp_path: Path) -> None:
    """Common names are boxes' names: a box called like the hub's host is not the hub."""
    box = context_of("box", pki.box_credentials(tmp_path, "box-1"))
    shake_hands(context_of("hub", pki.hub_credentials(tmp_path, ["there"])), box, "there")
    ca_key = serialization.load_pem_private_key((tmp_path / "ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    authority = Authority(
        x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes()), ca_key
    )
    key = make_key()
    certificate = issue(
        authority, key.public_key(), "there", purpose="server", now_utc=time.time(), days=30
    )
    nameless = TlsFiles(tmp_path / "ca.pem", tmp_path / "n.pem", tmp_path / "n.key")
    nameless.certificate.write_text(pem(certificate))
    nameless.private_key.write_bytes(key_pem(key))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context_of("hub", nameless), box, "there")


def test_tls_is_1_3_with_certificates_on_both_sides(tmp_path: Path) -> None:
    hub = context_of("hub", pki.hub_credentials(tmp_path, ["there"]))
    box = context_of("box", pki.box_credentials(tmp_path, "box-1"))
    anybody = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with pytest.raises(ssl.SSLError):
        shake_hands(hub, anybody, "there")
    box.minimum_version = ssl.TLSVersion.TLSv1_2
    box.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shake_hands(hub, box, "there")
