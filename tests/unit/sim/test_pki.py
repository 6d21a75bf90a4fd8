"""Certificates of the lab fleet."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from edgebox.host.daemons import TlsFiles
from edgebox.sim import pki

NAMES = ("hub.test", "127.0.0.1", "::1")


def handshake(server: TlsFiles, client: TlsFiles, name: str) -> str:
    """A TLS 1.3 handshake with both certificates, in memory; the client's common name."""
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.verify_mode = ssl.CERT_REQUIRED
    calling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context, files in ((listening, server), (calling, client)):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.private_key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        calling.wrap_bio(to_client, to_server, server_hostname=name),
        listening.wrap_bio(to_server, to_client, server_side=True),
    )
    done: set[ssl.SSLObject] = set()
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                pass
    assert len(done) == 2
    shown = ends[1].getpeercert()
    assert shown
    return dict(part[0] for part in shown["subject"])["commonName"]  # type: ignore[misc]


def test_box_and_hub_trust_each_other(tmp_path: Path) -> None:
    hub = pki.hub_credentials(tmp_path, NAMES)
    box = pki.box_credentials(tmp_path, "box-7")
    for name in NAMES:
        assert handshake(hub, box, name) == "box-7"
    subject = x509.load_pem_x509_certificate(hub.certificate.read_bytes()).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "hub.test"


def test_wrong_host_purpose_or_fleet_is_refused(tmp_path: Path) -> None:
    hub = pki.hub_credentials(tmp_path / "a", NAMES)
    box = pki.box_credentials(tmp_path / "a", "box-7")
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'other"):
        handshake(hub, box, "other.test")
    with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
        handshake(hub, hub, "hub.test")
    stranger = pki.box_credentials(tmp_path / "b", "box-7")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(hub, stranger, "hub.test")


def test_second_call_leaves_the_files_alone(tmp_path: Path) -> None:
    def contents() -> dict[str, bytes]:
        pki.hub_credentials(tmp_path, NAMES)
        pki.box_credentials(tmp_path, "box-7")
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = contents()
    assert set(first) == {"ca.pem", "ca.key", "hub.pem", "hub.key", "box-7.pem", "box-7.key"}
    assert contents() == first


def test_other_names_make_a_new_certificate(tmp_path: Path) -> None:
    before = pki.hub_credentials(tmp_path, NAMES).certificate.read_bytes()
    hub = pki.hub_credentials(tmp_path, ("hub.test", "localhost"))
    assert hub.certificate.read_bytes() != before
    assert handshake(hub, pki.box_credentials(tmp_path, "b"), "localhost") == "b"


@pytest.mark.parametrize("harmed", ["ca.pem", "ca.key", "hub.pem", "hub.key"])
@pytest.mark.parametrize("junk", [None, b"", b"junk", b"foreign"])
def test_missing_or_damaged_files_are_made_anew(
    tmp_path: Path, harmed: str, junk: bytes | None
) -> None:
    pki.hub_credentials(tmp_path / "a", NAMES)
    pki.hub_credentials(tmp_path / "b", NAMES)
    path = tmp_path / "a" / harmed
    if junk is None:
        path.unlink()
    else:
        path.write_bytes((tmp_path / "b" / harmed).read_bytes() if junk == b"foreign" else junk)
    hub = pki.hub_credentials(tmp_path / "a", NAMES)
    assert handshake(hub, pki.box_credentials(tmp_path / "a", "box-7"), "hub.test") == "box-7"


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    files = pki.box_credentials(tmp_path / "pki", "box-7")
    pki.hub_credentials(tmp_path / "pki", NAMES)
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    for key in files.private_key.parent.glob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_box_cannot_take_the_name_of_another_file(tmp_path: Path) -> None:
    for name in ("hub", "ca"):
        with pytest.raises(ValueError, match="cannot be called"):
            pki.box_credentials(tmp_path, name)


def test_people_have_an_authority_of_their_own(tmp_path: Path) -> None:
    hub = pki.hub_credentials(tmp_path, NAMES)
    person = pki.staff_credentials(tmp_path / "staff", "kari", "Kari Nordmann", "technician")
    server = TlsFiles(person.ca, hub.certificate, hub.private_key)
    client = TlsFiles(hub.ca, person.certificate, person.private_key)
    assert handshake(server, client, "hub.test") == "Kari Nordmann"
    with pytest.raises(ssl.SSLError, match="certificate"):
        handshake(hub, client, "hub.test")
    subject = x509.load_pem_x509_certificate(person.certificate.read_bytes()).subject
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value == "technician"
    before = person.certificate.read_bytes()
    pki.staff_credentials(tmp_path / "staff", "kari", "Kari Nordmann", "technician")
    assert person.certificate.read_bytes() == before
    bundle = (tmp_path / "staff" / "kari.p12").read_bytes()
    _, certificate, _ = pkcs12.load_key_and_certificates(bundle, pki.P12_PASSWORD.encode())
    assert certificate == x509.load_pem_x509_certificate(before)
