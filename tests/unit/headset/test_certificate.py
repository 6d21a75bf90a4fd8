"""Which certificate is shown, and when it is time to worry."""

import datetime
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.headset import certificate
from edgebox.headset.certificate import Credential, PublicCredential
from edgebox.headset.listener import server_context

NAME = "headset.example.org"
DAY_S = 86_400.0


def signed(key: object, name: str, begins_utc: float, days: float) -> str:
    """A certificate for this public key by an authority of the test's own."""
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test")])
    begins = datetime.datetime.fromtimestamp(begins_utc, datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    pem = built.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return pem.decode()


def issued(public: PublicCredential, begins_utc: float, days: float, name: str = NAME) -> str:
    request = x509.load_pem_x509_csr(public.request().encode())
    return signed(request.public_key(), name, begins_utc, days)


def test_request_names_the_fleet_and_the_box_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path / "headset", (NAME, f"box-1.{NAME}"))
    request = x509.load_pem_x509_csr(public.request().encode())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME, f"box-1.{NAME}"]
    assert request.is_signature_valid
    assert public.credential.key.stat().st_mode & 0o777 == 0o600
    again = x509.load_pem_x509_csr(
        PublicCredential(tmp_path / "headset", (NAME,)).request().encode()
    )
    assert again.public_key() == request.public_key()


def test_what_the_hub_sends_is_kept_and_shown(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path, (NAME,))
    now = time.time()
    assert public.take(issued(public, now - DAY_S, 90))
    assert certificate.choose([public.credential], NAME, now) == public.credential
    certificate.load_into(server_context(), public.credential)
    assert certificate.status(public.credential, NAME, now).state == "good"


def test_same_or_older_certificate_is_not_taken_again(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path, (NAME,))
    newer, older = issued(public, 1000.0, 90), issued(public, 1000.0, 60)
    assert public.take(newer)
    assert not public.take(newer)
    assert not public.take(older)


def test_certificate_for_another_key_or_name_or_none_at_all_is_refused(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path, (NAME,))
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    for chain in (
        signed(stranger, NAME, 1000.0, 90),
        issued(public, 1000.0, 90, "other.example.org"),
        "hello",
        "",
    ):
        with pytest.raises(RemoteProtocolError):
            public.take(chain)
    assert not public.credential.chain.exists()


def test_alarm_is_at_half_of_its_time(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path, (NAME,))
    public.take(issued(public, 1_000_000.0, 90))
    half = 1_000_000.0 + 45 * DAY_S
    states = {
        at: certificate.status(public.credential, NAME, at).state
        for at in (999_000.0, 1_000_001.0, half - 10, half + 10, 1_000_000 + 90 * DAY_S + 1)
    }
    assert list(states.values()) == ["expired", "good", "good", "half", "expired"]
    words = certificate.words(certificate.status(public.credential, NAME, half + 10), half + 10)
    assert "not renewed in time" in words
    assert certificate.words(certificate.status(public.credential, NAME, half - 10), half) == ""


def test_fleets_own_stands_in_while_the_public_one_is_no_good(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path / "public", (NAME,))
    own = PublicCredential(tmp_path / "own", (NAME,))
    fleet = Credential("fleet", own.credential.chain, own.credential.key)
    both = [public.credential, fleet]
    assert certificate.choose(both, NAME, 2000.0) is None
    own.take(issued(own, 1000.0, 300))
    assert certificate.choose(both, NAME, 2000.0) == fleet
    public.take(issued(public, 1000.0, 90))
    assert certificate.choose(both, NAME, 2000.0) == public.credential
    assert certificate.choose(both, NAME, 1000.0 + 100 * DAY_S) == fleet
    # When none is good the one that ended last is shown: its words say what is wrong.
    assert certificate.choose(both, NAME, 1000.0 + 400 * DAY_S) == fleet
    assert certificate.status(fleet, NAME, 1000.0 + 400 * DAY_S).state == "expired"


def test_no_certificate_is_said(tmp_path: Path) -> None:
    found = certificate.status(None, NAME, 0.0)
    assert found.state == "missing"
    assert NAME in certificate.words(found, 0.0)


def test_certificate_without_its_key_cannot_be_loaded(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path, (NAME,))
    public.take(issued(public, 1000.0, 90))
    public.credential.key.write_text("nothing")
    with pytest.raises(DeviceError):
        certificate.load_into(server_context(), public.credential)


def test_old_tls_is_not_spoken() -> None:
    assert server_context().minimum_version >= ssl.TLSVersion.TLSv1_2


def test_chain_whose_key_was_lost_is_no_good_and_the_next_one_is_taken(tmp_path: Path) -> None:
    public = PublicCredential(tmp_path, (NAME,))
    assert public.take(issued(public, 1.8e9, 300))
    public.credential.key.unlink()
    fresh = issued(public, 1.8e9, 90)
    assert certificate.choose([public.credential], NAME, 1.8e9 + 1) is None
    assert public.take(fresh)
    assert certificate.choose([public.credential], NAME, 1.8e9 + 1) == public.credential
